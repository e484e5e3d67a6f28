//! One entry per parser of hostile bytes. Each takes any bytes, must return, must not panic, and asserts what
//! must hold of the answer. `tests/smoke.rs` runs them all for a moment; `make fuzz TARGET=shell` runs one for long.

#![forbid(unsafe_code)]

use std::sync::LazyLock;

use fak_args::{Args, Host, parse_host, parse_url, path_within};
use fak_chain::{Checkpoint, GrowthProof, Note, PublicKey, RowProof};
use fak_gguf::{Gguf, ModelConfig, Safetensors, Writer};
use fak_policy::{NoWorld, Policy};
use fak_screen::{Incoming, Outcome, Screen, Settings, Trust};
use fak_token::{Chat, ChatTemplate, Specials, Start, Tokenizer};
use fak_types::{ToolCall, VerdictKind};

/// An entry and the name its fuzz target has.
pub type Entry = (&'static str, fn(&[u8]));

/// Every entry.
pub const ENTRIES: &[Entry] = &[
    ("manifest", manifest),
    ("shell", shell),
    ("place", place),
    ("path", path),
    ("arguments", arguments),
    ("record", record),
    ("evidence", evidence),
    ("sealed", sealed),
    ("verdict", verdict),
    ("screen", screen),
    ("model", model),
    ("vocabulary", vocabulary),
    ("template", template),
];

static FLOOR: LazyLock<Policy> = LazyLock::new(Policy::embedded);
static SCREEN: LazyLock<Screen> = LazyLock::new(|| Screen::new(Settings::default()));

/// A policy file, in either notation; what loads must dump to something that loads to the same.
///
/// # Panics
/// When the dump of a manifest does not read back as that manifest.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for format in [fak_policy::Format::Json, fak_policy::Format::Yaml] {
        if let Ok((manifest, _)) = fak_policy::load("fuzz", text, format) {
            let dump = fak_policy::dump(&manifest);
            let (again, _) =
                fak_policy::load("dump", &dump, fak_policy::Format::Json).expect("a dump loads");
            assert_eq!(again, manifest);
            let _ = Policy::compile("fuzz", &manifest);
        }
    }
}

/// A shell command; every position lies in the text.
///
/// # Panics
/// When a position lies outside.
pub fn shell(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let script = fak_shell::parse(text, &fak_shell::Limits::default());
    for command in &script.commands {
        assert!(command.at <= text.len());
        let _ = (command.options(), command.effects());
    }
    assert!(
        script
            .unresolved
            .iter()
            .all(|unresolved| unresolved.at <= text.len())
    );
}

/// A URL or a host; a name is lower-case and has no trailing dot.
///
/// # Panics
/// When a name is not in its one form.
pub fn place(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for place in [parse_url(text), parse_host(text)].into_iter().flatten() {
        let _ = place.host.class();
        if let Host::Name(name) = &place.host {
            assert!(!name.ends_with('.') && !name.bytes().any(|byte| byte.is_ascii_uppercase()));
        }
    }
}

/// A path; what normalisation leaves is normal.
///
/// # Panics
/// When normalising twice differs from normalising once.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let once = fak_args::normalize_path(text, Some("/srv/project"), Some("/home/dev"));
    let root = fak_args::normalize_path("/srv/project", None, None);
    let _ = path_within(&once, &root, true);
    if once.absolute && once.suspicious.is_none() {
        assert_eq!(
            fak_args::normalize_path(&once.text, None, None).text,
            once.text
        );
    }
}

/// The arguments of a call; every span lies in the text.
///
/// # Panics
/// When a span lies outside.
pub fn arguments(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(args) = Args::parse(text, &fak_args::Limits::default()) {
        let span = args.root().span();
        assert!(text.get(span).is_some());
    }
}

/// A journal row's body; what decodes is canonical.
///
/// # Panics
/// When a decoded record encodes to other bytes.
pub fn record(data: &[u8]) {
    if let Ok(record) = fak_chain::decode(data) {
        assert_eq!(fak_chain::encode(&record.draft, record.seq), data);
    }
}

/// The header of a sealed file; what is read is written back to the byte.
///
/// # Panics
/// When the header's own bytes come out differently.
pub fn sealed(data: &[u8]) {
    if let Ok(header) = fak_vault::Header::parse(data) {
        assert_eq!(
            Some(&header.encode()[..]),
            data.get(..fak_vault::HEADER_BYTES)
        );
        assert!(header.file_len() > fak_vault::HEADER_BYTES as u64);
    }
}

/// A whole call judged by the embedded floor; the first line is the tool, the rest are the arguments.
///
/// # Panics
/// When an unlisted tool is admitted.
pub fn verdict(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (tool, args) = text.split_once('\n').unwrap_or(("Bash", text));
    let call = ToolCall {
        tool,
        args,
        trace: "fuzz",
        cwd: Some("/srv/project"),
        home: Some("/home/dev"),
    };
    let verdict = FLOOR.adjudicate(&call, &NoWorld);
    assert!(verdict.kind != VerdictKind::Allow || tool.bytes().all(|byte| byte.is_ascii_graphic()));
}

/// What a tool answered; findings and edits lie in it, edits on characters and apart, and nothing at all passes.
///
/// # Panics
/// When one does not.
pub fn screen(data: &[u8]) {
    for trust in [Trust::Untrusted, Trust::Local] {
        let admission = SCREEN.judge(&Incoming {
            tool: "fuzz",
            bytes: data,
            trust,
        });
        assert!(!data.is_empty() || admission.verdict == Outcome::Allow);
        for finding in &admission.findings {
            assert!(finding.span.start <= finding.span.end && finding.span.end <= data.len());
        }
        if let Outcome::Redact(edits) = &admission.verdict {
            let mut at = 0;
            for edit in edits {
                assert!(at <= edit.span.start && edit.span.start < edit.span.end);
                assert!(edit.span.end <= data.len());
                if let Ok(text) = std::str::from_utf8(data) {
                    assert!(text.get(edit.span.clone()).is_some());
                }
                at = edit.span.end;
            }
        }
    }
}

/// A note, a checkpoint, a key or a proof: what reads writes itself back, and nobody's key has signed it.
///
/// # Panics
/// When a text and its value differ, or a stranger's text is believed.
pub fn evidence(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let key = PublicKey::parse(KEY).expect("a key");
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
        assert!(Checkpoint::open(&note, &key).is_err());
    }
    if let Ok(proof) = RowProof::parse(text) {
        assert_eq!(RowProof::parse(&proof.to_string()), Ok(proof.clone()));
        assert!(proof.verify(&key).is_err());
    }
    if let Ok(proof) = GrowthProof::parse(text) {
        assert_eq!(GrowthProof::parse(&proof.to_string()), Ok(proof));
    }
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
    }
}

/// The public key of the example in the documentation of Go's `sumdb/note`; no seed below is signed by it.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

/// A model file of either format; what is read is written back and read again.
///
/// # Panics
/// When a tensor's rows do not lie in the file, or what was read is not written so that it reads the same.
pub fn model(data: &[u8]) {
    let _ = ModelConfig::from_json(data);
    let _ = Safetensors::parse(data);
    let Ok(file) = Gguf::parse(data) else {
        return;
    };
    for tensor in file.tensors() {
        assert!(tensor.row(tensor.rows() - 1).is_some() && tensor.row(tensor.rows()).is_none());
    }
    let _ = ModelConfig::from_gguf(&file);
    let _ = Tokenizer::from_gguf(&file);
    let again = Writer::copy_of(&file)
        .finish()
        .expect("what was read is written");
    let again = Gguf::parse(&again).expect("what was written is read");
    assert_eq!(again.tensors().len(), file.tensors().len());
}

/// A `tokenizer.json`; what it encodes it decodes.
///
/// # Panics
/// When a token it made is none of its own.
pub fn vocabulary(data: &[u8]) {
    if let Ok(tokenizer) = Tokenizer::from_json(data) {
        let text = String::from_utf8_lossy(data);
        for specials in [Specials::Text, Specials::Parse] {
            if let Ok(tokens) = tokenizer.encode(&text, specials) {
                tokenizer
                    .decode(&tokens, Start::Text, specials)
                    .expect("its own tokens");
            }
        }
    }
}

/// A chat template, rendered with a chat.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(template) = ChatTemplate::compile(text) {
        let chat = Chat {
            messages: r#"[{"role":"user","content":"x"},{"role":"tool","content":[1,{"a":null}]}]"#,
            tools: Some("[{}]"),
            now_unix_s: Some(0),
            ..Chat::default()
        };
        let _ = template.render(&chat);
    }
}
