//! The files a patch changes.

/// Longest header taken for a path. LIMIT: the kernel takes no longer one.
const PATH_BYTES_MAX: usize = 4096;

/// The paths a patch says it changes, in the dialects agents use.
pub(crate) fn patched_paths(text: &str) -> impl Iterator<Item = &str> {
    const MARKS: [&str; 13] = [
        "+++ ",
        "--- ",
        "*** Add File:",
        "*** Update File:",
        "*** Delete File:",
        "*** Move to:",
        "*** Rename to:",
        "rename to ",
        "rename from ",
        "copy to ",
        "diff --git ",
        "Index: ",
        "deleted file ",
    ];
    text.lines().flat_map(|line| {
        let line = line.trim_end_matches('\r');
        let rest = MARKS.iter().find_map(|mark| line.strip_prefix(mark));
        let git = line.starts_with("diff --git ");
        rest.into_iter().flat_map(move |rest| {
            let words: Vec<&str> = if git {
                rest.split(' ').collect()
            } else {
                vec![rest]
            };
            words.into_iter().filter_map(patched_path)
        })
    })
}

/// One path of a patch header without the quotes, the time stamp and the `a/` of its dialect.
fn patched_path(text: &str) -> Option<&str> {
    let text = text
        .split('\t')
        .next()
        .unwrap_or(text)
        .trim()
        .trim_matches('"');
    let text = text
        .strip_prefix("a/")
        .or_else(|| text.strip_prefix("b/"))
        .unwrap_or(text);
    (!text.is_empty() && text != "/dev/null" && text.len() <= PATH_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_name_their_files_in_every_dialect() {
        let text = "*** Begin Patch\n*** Update File: src/a.rs\n*** Move to: .git/hooks/x\n+++ b/src/b.rs\t2020\n\
                    rename to c\ndiff --git a/d b/e\n+++ /dev/null\n+not a header";
        let found: Vec<_> = patched_paths(text).collect();
        assert_eq!(
            found,
            ["src/a.rs", ".git/hooks/x", "src/b.rs", "c", "d", "e"]
        );
    }
}
