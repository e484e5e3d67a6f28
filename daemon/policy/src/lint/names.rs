//! What the name of a tool suggests.

/// The words of a name: split at separators and at changes of case, lower-cased.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut fresh = true;
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            fresh = true;
            lower_before = false;
            continue;
        }
        if fresh || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        fresh = false;
        lower_before = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// A name as redaction compares it: without case, `_` and `-`.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

const SENDS: &[&str] = &[
    "send",
    "post",
    "upload",
    "email",
    "mail",
    "transfer",
    "publish",
    "share",
    "forward",
    "tweet",
    "webhook",
    "export",
    "exfiltrate",
    "reply",
    "broadcast",
    "invite",
    "pay",
    "wire",
];

const WRITES: &[&str] = &[
    "write",
    "edit",
    "delete",
    "remove",
    "create",
    "update",
    "patch",
    "modify",
    "move",
    "rename",
    "drop",
    "insert",
    "set",
    "put",
    "replace",
    "append",
    "destroy",
    "purge",
    "truncate",
    "erase",
    "wipe",
    "kill",
    "terminate",
    "reset",
    "multiedit",
];

const READS: &[&str] = &[
    "read",
    "get",
    "search",
    "list",
    "lookup",
    "find",
    "calc",
    "calculate",
    "view",
    "show",
    "fetch",
];

const SHELLS: &[&str] = &[
    "bash",
    "shell",
    "sh",
    "zsh",
    "terminal",
    "exec",
    "execute",
    "powershell",
    "subprocess",
    "cmd",
    "command",
];

fn any(name: &str, list: &[&str]) -> bool {
    words(name).iter().any(|word| list.contains(&word.as_str()))
}

/// Whether a tool of this name probably sends data out.
pub(super) fn is_exfil_shaped(name: &str) -> bool {
    let words = words(name);
    let sends = |word: &String| SENDS.contains(&word.as_str());
    let reads = words
        .first()
        .is_some_and(|first| READS.contains(&first.as_str()));
    // `search_email` reads mail; `send_email` and `email_report` send it.
    words.iter().any(sends) && !reads
}

/// Whether a tool of this name probably changes something.
pub(super) fn is_write_shaped(name: &str) -> bool {
    any(name, WRITES)
}

/// Whether a tool of this name probably runs commands.
pub(super) fn is_shell_shaped(name: &str) -> bool {
    // `BashOutput`, `KillShell` and `SlashCommand` speak of a shell and take no command line.
    any(name, SHELLS) && !any(name, &["output", "kill", "stop", "slash", "list"])
}

/// Whether a name starts like a read and goes on like a write or a sending: `read_and_delete_all`.
pub(super) fn hides_a_write(name: &str) -> bool {
    let words = words(name);
    let reads = words
        .first()
        .is_some_and(|first| READS.contains(&first.as_str()));
    // The last word is usually what is read: `get_post`, `list_mail`, `read_data_set`.
    let inner = words.iter().skip(1).any(|word| {
        matches!(
            word.as_str(),
            "delete"
                | "remove"
                | "write"
                | "send"
                | "upload"
                | "execute"
                | "update"
                | "drop"
                | "purge"
                | "destroy"
        )
    });
    reads && inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_for_their_verbs() {
        assert_eq!(
            words("sendEmail_to-XYZ2b"),
            ["send", "email", "to", "xyz2b"]
        );
        for name in [
            "send_email",
            "uploadFile",
            "slack.post-message",
            "email_report",
        ] {
            assert!(is_exfil_shaped(name), "{name}");
        }
        for name in ["search_email", "get_posts", "posterize", "read_mail"] {
            assert!(!is_exfil_shaped(name), "{name}");
        }
        assert!(hides_a_write("read_delete_all") && hides_a_write("getAndRemove"));
        assert!(!hides_a_write("read_data_set") && !hides_a_write("delete_all"));
        assert!(
            is_shell_shaped("run_shell_command")
                && is_shell_shaped("Bash")
                && !is_shell_shaped("bashful")
        );
        assert!(
            is_write_shaped("Write")
                && is_write_shaped("MultiEdit")
                && !is_write_shaped("read_file")
        );
        assert_eq!(folded("API-Key_x"), "apikeyx");
    }
}
