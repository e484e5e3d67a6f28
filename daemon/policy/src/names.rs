//! What names say: tool names and argument keys, compared the way restrictions compare them.

/// Why a tool name is not well formed; `None` when it is.
///
/// A restriction is found by the name's bytes, so a name that only looks like another one must not
/// reach the rules: control, zero-width and compatibility characters and blanks at the ends are refused.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("the tool name is empty");
    }
    if name.len() > fak_types::TOOL_NAME_BYTES_MAX {
        return Some("the tool name is longer than 256 bytes");
    }
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    if name.chars().any(|c| c.is_control() || invisible(c)) {
        return Some("the tool name holds a control or an invisible character");
    }
    if name.trim() != name {
        return Some("the tool name begins or ends with a blank");
    }
    if !unicode_normalization::is_nfkc(name) {
        return Some("the tool name holds a compatibility form of another character");
    }
    None
}

/// Characters that render as nothing or change the direction of what follows.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Verbs that change something wherever they stand in a word of the name (`multiedit`, `todowrite`).
const LONG_VERBS: [&str; 17] = [
    "write",
    "edit",
    "create",
    "delete",
    "remove",
    "rename",
    "patch",
    "append",
    "replace",
    "insert",
    "update",
    "modify",
    "overwrite",
    "truncate",
    "upload",
    "destroy",
    "install",
];

/// Verbs that change something when they are a whole word of the name.
const SHORT_VERBS: [&str; 26] = [
    "put", "set", "save", "move", "apply", "mv", "rm", "cp", "copy", "unlink", "chmod", "chown",
    "touch", "mkdir", "rmdir", "link", "symlink", "store", "add", "erase", "wipe", "purge", "drop",
    "post", "send", "download",
];

/// Words that only contain a verb's letters.
const INNOCENT: [&str; 4] = ["credit", "credits", "dispatch", "accredited"];

/// Whether a tool name says that the tool changes something. Over-broad on purpose: the name alone
/// refuses nothing, it only makes the guarded paths among the arguments count.
pub(crate) fn write_shaped(name: &str) -> bool {
    words(name).any(|word| {
        let is = |verb: &str| word.eq_ignore_ascii_case(verb);
        let bytes = word.as_bytes();
        let begins = |verb: &str| {
            bytes
                .get(..verb.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(verb.as_bytes()))
        };
        let ends = |verb: &str| {
            let from = bytes.len().checked_sub(verb.len());
            from.and_then(|from| bytes.get(from..))
                .is_some_and(|end| end.eq_ignore_ascii_case(verb.as_bytes()))
        };
        !INNOCENT.iter().any(|word| is(word))
            && (SHORT_VERBS.iter().any(|verb| is(verb))
                || LONG_VERBS.iter().any(|verb| begins(verb) || ends(verb)))
    })
}

/// Whether a tool name says that the tool is given patches.
pub(crate) fn patches(name: &str) -> bool {
    ["patch", "diff", "apply"].iter().any(|word| {
        name.as_bytes()
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// The words of `read_file`, `readFile`, `mcp__fs__read-file`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).flat_map(|part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            let hump = rest.as_bytes().windows(2).position(|pair| {
                matches!(pair, [a, b] if b.is_ascii_uppercase() && (a.is_ascii_lowercase() || a.is_ascii_digit()))
            });
            let end = hump.map_or(rest.len(), |at| at + 1);
            let (word, tail) = rest.split_at_checked(end)?;
            rest = tail;
            (!word.is_empty()).then_some(word)
        })
    })
}

/// Beginnings of the names `admit_and_log` may relax.
const READ_PREFIXES: [&str; 7] = [
    "read_", "get_", "search_", "list_", "lookup_", "find_", "calc",
];

/// Whether a tool name says that the tool only reads.
pub(crate) fn read_shaped(name: &str) -> bool {
    let begins = |prefix: &&str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    READ_PREFIXES.iter().any(begins) && !write_shaped(name)
}

/// Whether a key names a command or a path: a read-shaped call with one reaches the machine and is no
/// longer plainly a read.
pub(crate) fn reaching_key(key: &str) -> bool {
    let mut folded = [0; KEY_BYTES_MAX];
    matches!(
        fold_into(key, &mut folded),
        "command"
            | "cmd"
            | "script"
            | "code"
            | "shell"
            | "argv"
            | "path"
            | "paths"
            | "filepath"
            | "file"
            | "files"
            | "filename"
            | "dir"
            | "directory"
            | "folder"
            | "targetfile"
            | "cwd"
    )
}

/// Whether the text under a key is content rather than a place.
pub(crate) fn content_key(key: &str) -> bool {
    let mut folded = [0; KEY_BYTES_MAX];
    matches!(
        fold_into(key, &mut folded),
        "content"
            | "contents"
            | "newstring"
            | "oldstring"
            | "newstr"
            | "oldstr"
            | "text"
            | "body"
            | "newtext"
            | "oldtext"
            | "filetext"
            | "inserttext"
            | "newsource"
            | "replacement"
            | "description"
            | "message"
            | "prompt"
            | "instructions"
            | "codeedit"
            | "explanation"
            | "thought"
            | "data"
            | "newcode"
            | "oldcode"
            | "search"
            | "replace"
            | "query"
            | "pattern"
            | "regex"
    )
}

/// Whether a sibling of a shell argument says where the command runs.
pub(crate) fn workdir_key(key: &str) -> bool {
    let mut folded = [0; KEY_BYTES_MAX];
    matches!(
        fold_into(key, &mut folded),
        "cwd"
            | "workdir"
            | "workingdirectory"
            | "workingdir"
            | "directory"
            | "dir"
            | "currentdirectory"
            | "path"
            | "root"
    )
}

/// Compares a key with an already folded one: ASCII case, `_` and `-` do not count.
pub(crate) fn key_is(key: &str, folded: &str) -> bool {
    if key.len() < folded.len() {
        return false;
    }
    let mut bytes = key
        .bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-'))
        .map(|b| b.to_ascii_lowercase());
    folded.bytes().all(|byte| bytes.next() == Some(byte)) && bytes.next().is_none()
}

/// Longest key, folded, that the lists above know.
const KEY_BYTES_MAX: usize = 24;

/// The folded form of a key, or nothing when it is longer than any known one.
fn fold_into<'b>(key: &str, folded: &'b mut [u8; KEY_BYTES_MAX]) -> &'b str {
    let mut length = 0;
    for byte in key.bytes().filter(|byte| !matches!(byte, b'_' | b'-')) {
        let Some(place) = folded.get_mut(length) else {
            return "";
        };
        *place = byte.to_ascii_lowercase();
        length += 1;
    }
    let folded: &'b [u8] = folded;
    folded
        .get(..length)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or_default()
}

/// The folded form [`key_is`] compares with.
pub(crate) fn fold_key(key: &str) -> String {
    key.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_look_right_are_refused() {
        for bad in [
            "",
            " Bash",
            "Bash ",
            "Ba\u{200b}sh",
            "Bash\n",
            "Ｂash",
            "Bash\u{0}",
            "Bash\u{202e}",
        ] {
            assert!(name_problem(bad).is_some(), "{bad:?}");
        }
        for good in ["Bash", "mcp__fs__read", "功能", "a b"] {
            assert_eq!(name_problem(good), None, "{good:?}");
        }
        assert!(name_problem(&"x".repeat(257)).is_some());
    }

    #[test]
    fn verbs_are_found_in_every_casing() {
        for name in [
            "Write",
            "MultiEdit",
            "multiedit",
            "NotebookEdit",
            "apply_patch",
            "write_file",
            "todowrite",
            "putObject",
            "mcp__fs__move_file",
            "str_replace_based_edit_tool",
            "delete_account",
            "setValue",
        ] {
            assert!(write_shaped(name), "{name}");
        }
        for name in [
            "Read",
            "Grep",
            "credit_check",
            "get_settings",
            "dispatch",
            "reader",
            "asset_list",
        ] {
            assert!(!write_shaped(name), "{name}");
        }
    }

    #[test]
    fn keys_fold() {
        assert!(key_is("file_path", "filepath"));
        assert!(key_is("FILE-Path", "filepath"));
        assert!(!key_is("filepaths", "filepath"));
        assert_eq!(fold_key("API-Key"), "apikey");
    }
}
