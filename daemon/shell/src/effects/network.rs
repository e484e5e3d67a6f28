//! Programs that talk to other machines.

use super::Effects;
use crate::{
    command::{EffectKind, Word},
    programs,
};

impl Effects<'_> {
    /// `true` when the program is one of these and nothing is left to say.
    pub(super) fn network(&mut self) -> bool {
        match self.command.program.as_str() {
            "curl" => self.curl(),
            "wget" | "wget2" => self.wget(),
            "ssh" | "mosh" | "autossh" => self.ssh(),
            "scp" | "rsync" | "rcp" => self.copy_remote(),
            "nc" | "ncat" | "netcat" => self.netcat(),
            "dig" | "host" | "nslookup" | "whois" | "traceroute" | "tracepath" | "mtr" | "nmap" => {
                self.lookup();
            }
            "http" | "https" | "xh" => self.httpie(),
            "socat" => self.socat(),
            "ftp" | "tftp" | "telnet" => self.host_port(),
            "openssl" => self.openssl(),
            "pip" | "pip3" | "npm" | "yarn" | "pnpm" | "uv" | "gem" | "cargo" | "twine"
            | "poetry" => {
                self.registry();
            }
            _ => return false,
        }
        true
    }

    fn curl(&mut self) {
        let parts = self.command.options();
        let spec = programs::spec("curl");
        self.option_values(&parts, spec);
        self.operands(&parts, spec.operands);
        for flag in &parts.flags {
            let Some(value) = flag.value else { continue };
            let data = ["-d", "--data", "--data-ascii", "--data-binary", "--json"];
            if data.iter().any(|name| flag.is_exactly(name)) {
                if value.text().starts_with('@') {
                    self.add_file(&value.word.after(value.from + 1));
                }
            } else if flag.is_exactly("--data-urlencode") || flag.is_exactly("--url-query") {
                if let Some(mark) = value.text().find('@') {
                    let before = value.text().get(..mark).unwrap_or("");
                    if !before.contains('=') {
                        self.add_file(&value.word.after(value.from + mark + 1));
                    }
                }
            } else if flag.is_exactly("-F") || flag.is_exactly("--form") {
                if let Some(mark) = value.text().find("=@").or_else(|| value.text().find("=<")) {
                    let mut file = value.word.after(value.from + mark + 2);
                    let end = file.text.find([';', ',']).unwrap_or(file.text.len());
                    file.text.truncate(end);
                    file.static_bytes = file.static_bytes.min(end);
                    self.add_file(&file);
                }
            } else if (flag.is_exactly("-H") || flag.is_exactly("--header"))
                && value.text().starts_with('@')
            {
                self.add_file(&value.word.after(value.from + 1));
            } else if (flag.is_exactly("-b") || flag.is_exactly("--cookie"))
                && !value.text().contains('=')
            {
                self.add_file(&value.to_word());
            }
        }
        if parts.has("-O") || parts.has("--remote-name") || parts.has("--remote-name-all") {
            self.fetched_file(parts.value("--output-dir").map(|v| v.to_word()).as_ref());
        }
    }

    /// A file whose content is sent; `-` is standard input.
    fn add_file(&mut self, file: &Word) {
        if file.text != "-" {
            self.add(EffectKind::Read, file);
        }
    }

    /// The file that a download without a name makes.
    fn fetched_file(&mut self, directory: Option<&Word>) {
        let name = programs::fetched_name(self.command).unwrap_or_else(|| "index.html".to_owned());
        let at = self.command.at;
        let path = match directory.and_then(Word::known) {
            Some(directory) => format!("{}/{name}", directory.trim_end_matches('/')),
            None => name,
        };
        self.add(EffectKind::Write, &Word::fixed(path, at));
    }

    fn wget(&mut self) {
        let parts = self.command.options();
        let spec = programs::spec("wget");
        self.option_values(&parts, spec);
        self.operands(&parts, spec.operands);
        let named = parts.has("-O") || parts.has("--output-document") || parts.has("--spider");
        if !named && !parts.has("-P") && !parts.has("--directory-prefix") {
            self.fetched_file(None);
        }
    }

    fn ssh(&mut self) {
        let parts = self.command.options();
        if let Some(host) = parts.positional.first() {
            self.add(EffectKind::Contact, host);
        }
        for value in parts.values(&["-J", "-W"]) {
            self.add(EffectKind::Contact, &value.to_word());
        }
        for value in parts.values(&["-E"]) {
            self.add(EffectKind::Write, &value.to_word());
        }
    }

    /// scp, rsync: a side with `host:` is remote, the other is a local path.
    fn copy_remote(&mut self) {
        let parts = self.command.options();
        let spec = programs::spec(&self.command.program);
        self.option_values(&parts, spec);
        let operands = parts.operands();
        for (index, word) in operands.iter().enumerate() {
            let last = index + 1 == operands.len() && operands.len() > 1;
            if is_remote(word) {
                self.add(EffectKind::Contact, word);
            } else if last {
                self.add(EffectKind::Write, word);
            } else {
                self.add(EffectKind::Read, word);
                if parts.has("--remove-source-files") {
                    self.add(EffectKind::Delete, word);
                }
            }
        }
    }

    /// `nc HOST PORT`; listening contacts nobody.
    fn netcat(&mut self) {
        let parts = self.command.options();
        if parts.has("-l") || parts.has("--listen") {
            return;
        }
        self.host_port_of(parts.operands());
    }

    fn host_port(&mut self) {
        let parts = self.command.options();
        self.host_port_of(parts.operands());
    }

    fn host_port_of(&mut self, operands: &[&Word]) {
        let Some(host) = operands.first() else { return };
        let mut place = (*host).clone();
        if let Some(port) = operands.get(1).and_then(|w| w.known())
            && port.bytes().all(|b| b.is_ascii_digit())
            && !place.opaque
        {
            place.text.push(':');
            place.text.push_str(port);
            place.static_bytes = place.text.len();
        }
        self.add(EffectKind::Contact, &place);
    }

    /// Names given to look up leave the machine inside the question.
    fn lookup(&mut self) {
        let parts = self.command.options();
        for word in parts.operands() {
            let types = [
                "A", "AAAA", "ANY", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT", "CAA",
            ];
            let text = word.text.as_str();
            if text.starts_with('+') || types.iter().any(|t| t.eq_ignore_ascii_case(text)) {
                continue;
            }
            let server = text.starts_with('@');
            self.add(EffectKind::Contact, &word.after(usize::from(server)));
        }
    }

    fn httpie(&mut self) {
        let parts = self.command.options();
        let mut operands = parts.operands().iter();
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
        let Some(mut word) = operands.next() else {
            return;
        };
        if methods.iter().any(|m| m.eq_ignore_ascii_case(&word.text)) {
            match operands.next() {
                Some(next) => word = next,
                None => return,
            }
        }
        self.add(EffectKind::Contact, word);
        for item in operands {
            if let Some(mark) = item.text.find('@') {
                self.add(EffectKind::Read, &item.after(mark + 1));
            }
        }
        for value in parts.values(&["-o", "--output"]) {
            self.add(EffectKind::Write, &value.to_word());
        }
    }

    /// `socat TCP:host:port EXEC:cmd`.
    fn socat(&mut self) {
        let parts = self.command.options();
        for word in parts.operands() {
            let Some((kind, rest)) = word.text.split_once(':') else {
                continue;
            };
            let from = kind.len() + 1;
            let kind = kind.to_ascii_lowercase();
            let end = rest.find(',').unwrap_or(rest.len());
            let mut target = word.after(from);
            target.text.truncate(end);
            target.static_bytes = target.static_bytes.min(end);
            let effect = match kind.as_str() {
                "exec" | "system" => EffectKind::Execute,
                "open" | "create" | "gopen" | "file" => EffectKind::Write,
                k if k.contains("listen") => continue,
                k if k.starts_with("tcp")
                    || k.starts_with("udp")
                    || k.starts_with("ssl")
                    || k.starts_with("openssl")
                    || k.starts_with("sctp") =>
                {
                    EffectKind::Contact
                }
                _ => continue,
            };
            self.add(effect, &target);
        }
    }

    fn openssl(&mut self) {
        let parts = self.command.options();
        self.option_values(&parts, programs::spec("openssl"));
    }

    /// Package programs contact what an option says, and URLs among their operands.
    fn registry(&mut self) {
        let parts = self.command.options();
        let places = [
            "--index-url",
            "--extra-index-url",
            "--registry",
            "--find-links",
            "--proxy",
            "--repository-url",
            "--index",
            "--source",
            "-i",
        ];
        for flag in &parts.flags {
            let named = places.iter().any(|name| flag.is_exactly(name));
            let value = flag.value.map(|v| v.to_word()).or_else(|| {
                // The value may stand behind an option that the table does not know for this program.
                self.command
                    .argv
                    .get(flag.index + 1)
                    .filter(|w| w.text.contains("://"))
                    .cloned()
            });
            if let (true, Some(word)) = (named, value)
                && (word.text.contains("://") || word.opaque)
            {
                self.add(EffectKind::Contact, &word);
            }
        }
        for word in &parts.positional {
            if let Some(start) = word.text.find("://") {
                let scheme = word.text.get(..start).unwrap_or("");
                let plus = scheme.rfind('+').map_or(0, |p| p + 1);
                self.add(EffectKind::Contact, &word.after(plus));
            }
        }
        for value in parts.values(&["--target", "--prefix"]) {
            self.add(EffectKind::Write, &value.to_word());
        }
    }
}

/// `host:path`, `user@host:path`, `scheme://..`, `host::module`; not `./a:b` and not `C:\`.
fn is_remote(word: &Word) -> bool {
    let text = word.text.as_str();
    if text.contains("://") {
        return true;
    }
    if text.starts_with('[') {
        return text.contains("]:");
    }
    text.split_once(':').is_some_and(|(host, rest)| {
        let drive = host.len() == 1 && rest.starts_with(['\\', '/']);
        !host.is_empty() && !host.contains('/') && !drive
    })
}
