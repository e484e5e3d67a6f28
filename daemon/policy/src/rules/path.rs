//! Where paths may lie.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use fak_args::{NormalPath, PathGlob, normalize_path, path_within};

use super::meet::globs_meet;
use crate::{
    manifest::{Access, PathRule},
    spot::{Ground, Spot, below_home},
};

/// Among the roots: places that are only known when a command runs.
const COMPUTED: &str = "$";

/// A compiled [`PathRule`].
#[derive(Debug)]
pub(crate) struct PathCheck {
    roots: Vec<Root>,
    deny: GlobList,
    access: Vec<Access>,
    /// `$` is among the roots: a path that is computed when a command runs may pass.
    computed: bool,
    /// The refusal's words, naming the rule's roots.
    outside: String,
}

#[derive(Debug)]
enum Root {
    /// Known when the policy is compiled.
    Fixed(NormalPath),
    /// The caller's working directory, or a directory below it.
    Here(String),
    /// Below the caller's home directory.
    Home(String),
}

impl PathCheck {
    /// Compiles the rule. The error names the part and what is wrong with it.
    pub(crate) fn new(rule: &PathRule) -> Result<Self, (String, String)> {
        let mut roots = Vec::new();
        let mut computed = false;
        for (place, root) in rule.roots.iter().enumerate() {
            roots.push(match root.as_str() {
                COMPUTED => {
                    computed = true;
                    continue;
                }
                "." => Root::Here(".".to_owned()),
                "~" => Root::Home("~".to_owned()),
                text if text.starts_with("~/") => Root::Home(text.to_owned()),
                text if text.starts_with("./") => Root::Here(text.to_owned()),
                text if text.starts_with('/') => Root::Fixed(normalize_path(text, None, None)),
                _ => {
                    return Err((
                        format!("roots[{place}]"),
                        "a root is absolute, `~/...`, `.` or `$`".to_owned(),
                    ));
                }
            });
        }
        let plain: Vec<&str> = rule
            .roots
            .iter()
            .map(String::as_str)
            .filter(|root| *root != COMPUTED)
            .collect();
        Ok(Self {
            roots,
            computed,
            deny: GlobList::new(&rule.deny)?,
            access: rule.access.clone(),
            outside: format!("the path lies outside {}", plain.join(", ")),
        })
    }

    /// Whether the rule governs this kind of touch on shell text.
    pub(crate) fn governs(&self, access: Access) -> bool {
        self.access.is_empty() || self.access.contains(&access)
    }

    /// What the denied globs that are found by their letters look for.
    pub(crate) fn literals(&self) -> impl Iterator<Item = String> {
        self.deny
            .globs
            .iter()
            .filter_map(|denied| longest_literal(denied.pattern()))
    }

    /// Whether a path that is not known cannot pass.
    pub(crate) fn confines(&self) -> bool {
        !self.roots.is_empty() && !self.computed
    }

    /// Judges one path; the words when it is refused.
    pub(crate) fn refuse(&self, path: &str, ground: &Ground<'_>) -> Option<String> {
        self.refuse_spot(&ground.spot(path), ground)
    }

    /// Judges one place that is certainly a path; the words when it is refused.
    pub(crate) fn refuse_spot(&self, spot: &Spot, ground: &Ground<'_>) -> Option<String> {
        if let Some(why) = spot.lexical.suspicious {
            return Some(format!("the path cannot be read reliably: {why}"));
        }
        self.refuse_plain(spot, ground)
    }

    /// Judges a leaf that may be a path: a text that programs read as a path in more than one way is
    /// taken for something else.
    pub(crate) fn refuse_plain(&self, spot: &Spot, ground: &Ground<'_>) -> Option<String> {
        if let Some(glob) = self.deny.hit(spot, ground.home) {
            return Some(format!("the path is under {glob}"));
        }
        (!self.inside(spot, ground)).then(|| self.outside.clone())
    }

    /// The words for a refusal when a denied glob covers the path; where the roots lie does not matter.
    pub(crate) fn denies(&self, path: &str, ground: &Ground<'_>) -> Option<String> {
        let glob = self.deny.hit(&ground.spot(path), ground.home)?;
        Some(format!("the path is under {glob}"))
    }

    /// The words for a refusal when the path is a root itself: removing it removes what the policy lets
    /// the caller work in.
    pub(crate) fn refuse_root(&self, path: &NormalPath, ground: &Ground<'_>) -> Option<String> {
        let is = |root: &NormalPath| root.text == path.text && root.absolute == path.absolute;
        let root = self.roots.iter().any(|root| match root {
            Root::Fixed(root) => is(root),
            Root::Here(text) => is(&normalize_path(text, ground.here, ground.home)),
            Root::Home(text) => is(&normalize_path(text, None, ground.home)),
        });
        root.then(|| "the path is one of the roots itself".to_owned())
    }

    /// The words for a refusal when a path of which a middle part is not known can lie under a denied
    /// glob.
    pub(crate) fn denies_some(
        &self,
        before: &str,
        after: &str,
        ground: &Ground<'_>,
    ) -> Option<String> {
        let spot = ground.spot(&format!("{before}*{after}"));
        let pattern = self.deny.meets(&spot.lexical, ground.home)?;
        Some(format!("the path may be under {pattern}"))
    }

    /// Judges a shell glob: every path it can expand to.
    pub(crate) fn refuse_glob(&self, spot: &Spot, ground: &Ground<'_>) -> Option<String> {
        if let Some(pattern) = self.deny.meets(&spot.lexical, ground.home) {
            return Some(format!("the pattern reaches {pattern}"));
        }
        self.refuse_plain(spot, ground)
    }

    fn inside(&self, spot: &Spot, ground: &Ground<'_>) -> bool {
        if self.roots.is_empty() {
            return true;
        }
        self.roots.iter().any(|root| match root {
            Root::Fixed(root) => within(spot, root, ground),
            Root::Here(text) => match ground.here {
                Some(here) if text == "." => {
                    let root = || normalize_path(here, None, ground.home);
                    within(spot, ground.here_path.get_or_init(root), ground)
                }
                Some(here) => within(spot, &normalize_path(text, Some(here), ground.home), ground),
                None => {
                    let path = &spot.lexical;
                    !path.absolute && !path.home_unknown && !path.escapes && text == "."
                }
            },
            Root::Home(text) => within(spot, &normalize_path(text, None, ground.home), ground),
        })
    }
}

/// Whether the place lies in the root. Where the machine can see, its answer counts, in both
/// directions: a link that leads out is out, a link that leads in is in.
fn within(spot: &Spot, root: &NormalPath, ground: &Ground<'_>) -> bool {
    match &spot.real {
        None => path_within(&spot.lexical, root, false),
        Some(real) => {
            path_within(real, root, false)
                || ground.world.real_path(&root.text).is_some_and(|root| {
                    path_within(real, &normalize_path(&root, None, None), false)
                })
        }
    }
}

/// Globs of which any may hit, behind one pass over the path's text.
#[derive(Debug, Default)]
pub(crate) struct GlobList {
    globs: Vec<Denied>,
    /// Finds the globs whose longest literal occurs in the path.
    literals: Option<AhoCorasick>,
    /// Globs without a usable literal.
    always: Vec<usize>,
    /// The glob of each literal.
    owners: Vec<usize>,
}

#[derive(Debug)]
struct Denied {
    text: String,
    glob: PathGlob,
    /// The pattern with its alternatives written out, for comparing with a shell's glob.
    plain: Vec<String>,
    home: bool,
}

impl Denied {
    /// The glob without the home directory.
    fn pattern(&self) -> &str {
        self.text.strip_prefix("~/").unwrap_or(&self.text)
    }
}

impl GlobList {
    fn new(texts: &[String]) -> Result<Self, (String, String)> {
        let mut list = Self::default();
        let mut literals = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            let (home, pattern) = match text.strip_prefix("~/") {
                Some(rest) => (true, rest),
                None => (false, text.as_str()),
            };
            let glob = PathGlob::new(pattern, true)
                .map_err(|problem| (format!("deny[{place}]"), problem.to_string()))?;
            list.globs.push(Denied {
                text: text.clone(),
                glob,
                plain: alternatives(pattern),
                home,
            });
            match longest_literal(pattern) {
                Some(literal) => {
                    literals.push(literal);
                    list.owners.push(place);
                }
                None => list.always.push(place),
            }
        }
        if !literals.is_empty() {
            list.literals = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::DFA))
                .ascii_case_insensitive(true)
                .build(&literals)
                .ok();
            if list.literals.is_none() {
                list.always = (0..list.globs.len()).collect();
            }
        }
        Ok(list)
    }

    /// The first glob that covers the place.
    fn hit(&self, spot: &Spot, home: Option<&str>) -> Option<&str> {
        self.hit_path(&spot.lexical, spot.quiet, home)
            .or_else(|| self.hit_path(spot.real.as_ref()?, spot.real_quiet, home))
    }

    /// `quiet`: the path is known to hold no literal.
    fn hit_path(&self, path: &NormalPath, quiet: bool, home: Option<&str>) -> Option<&str> {
        if quiet && self.always.is_empty() {
            return None;
        }
        let mut below = None;
        let mut covers = |place: usize| {
            let denied = self.globs.get(place)?;
            let hit = if denied.home {
                let below = below.get_or_insert_with(|| below_home(&path.text, home).map(relative));
                below
                    .as_ref()
                    .is_some_and(|below| denied.glob.covers(below))
            } else {
                denied.glob.covers(path)
            };
            hit.then_some(denied.text.as_str())
        };
        if let Some(text) = self.always.iter().find_map(|&place| covers(place)) {
            return Some(text);
        }
        if quiet {
            return None;
        }
        let mut seen = None;
        for found in self.literals.as_ref()?.find_overlapping_iter(&path.text) {
            let owner = self.owners.get(found.pattern().as_usize()).copied()?;
            if seen == Some(owner) {
                continue;
            }
            seen = Some(owner);
            if let Some(text) = covers(owner) {
                return Some(text);
            }
        }
        None
    }

    /// The first glob that shares a path with a shell glob.
    fn meets(&self, word: &NormalPath, home: Option<&str>) -> Option<&str> {
        let below = below_home(&word.text, home);
        // `*` alone says nothing about the name, so it does not name what a policy means anywhere.
        let nameless = word
            .text
            .rsplit('/')
            .next()
            .is_some_and(|name| name.chars().all(|c| matches!(c, '*' | '?' | '.')));
        self.globs.iter().find_map(|denied| {
            let subject = if denied.home {
                below.unwrap_or_default()
            } else {
                word.text.as_str()
            };
            let met = (!denied.home || below.is_some())
                && denied.plain.iter().any(|pattern| {
                    !(nameless && pattern.starts_with("**/")) && globs_meet(subject, pattern)
                });
            met.then_some(denied.text.as_str())
        })
    }
}

/// A path below somebody's home directory as a path of its own.
fn relative(text: &str) -> NormalPath {
    normalize_path(text, None, None)
}

/// The longest run of plain characters in a glob; alternatives and brackets are skipped whole.
fn longest_literal(glob: &str) -> Option<String> {
    let (mut best, mut run) = (String::new(), String::new());
    let mut depth = 0_u32;
    let mut close = |run: &mut String| {
        let text = run.trim_matches('/');
        if text.len() > best.len() {
            best = text.to_owned();
        }
        run.clear();
    };
    for c in glob.chars() {
        match c {
            '[' | '{' => {
                depth += 1;
                close(&mut run);
            }
            ']' | '}' => depth = depth.saturating_sub(1),
            '*' | '?' | '\\' => close(&mut run),
            c if depth == 0 => run.push(c),
            _ => {}
        }
    }
    close(&mut run);
    (best.len() >= 2).then_some(best)
}

/// LIMIT: a pattern with more alternatives is compared as it stands, in which `{..}` is anything.
const ALTERNATIVES_MAX: usize = 64;

/// A glob with its alternatives written out: `a{b,c}` as `ab` and `ac`.
fn alternatives(glob: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![glob.to_owned()];
    while let Some(text) = open.pop() {
        let parts = text.find('{').and_then(|start| {
            let end = start + text.get(start..)?.find('}')?;
            Some((
                text.get(..start)?,
                text.get(start + 1..end)?,
                text.get(end + 1..)?,
            ))
        });
        let Some((before, inner, after)) = parts else {
            done.push(text);
            continue;
        };
        open.extend(
            inner
                .split(',')
                .map(|choice| format!("{before}{choice}{after}")),
        );
        if open.len() + done.len() > ALTERNATIVES_MAX {
            return vec![glob.to_owned()];
        }
    }
    done
}
