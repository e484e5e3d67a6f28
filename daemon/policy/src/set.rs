//! Which policy judges whom.

use std::{collections::HashMap, sync::Arc};

use fak_types::Principal;

use crate::{compile::Policy, diagnostic::Diagnostic};

/// The profiles in force and the policy of everyone else.
///
/// INVARIANT: no two profiles share a name or a binding, and at most one binds nobody in particular.
#[derive(Debug)]
pub struct PolicySet {
    profiles: Vec<Arc<Policy>>,
    uids: HashMap<u32, usize>,
    gids: Vec<(u32, usize)>,
    keys: HashMap<String, usize>,
    default: Arc<Policy>,
    digest_text: String,
}

impl PolicySet {
    /// The set without profiles: the embedded floor judges everyone.
    #[must_use]
    pub fn embedded() -> Self {
        let default = Arc::new(Policy::embedded());
        let digest_text = section(&default);
        Self {
            profiles: Vec::new(),
            uids: HashMap::new(),
            gids: Vec::new(),
            keys: HashMap::new(),
            default,
            digest_text,
        }
    }

    /// Joins profiles. The one without `bind` judges everyone not bound elsewhere; without such a one
    /// the embedded floor does.
    ///
    /// # Errors
    /// Profiles that share a name, a binding, or the place of the default; never an empty list.
    pub fn new(profiles: Vec<Policy>) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let profiles: Vec<Arc<Policy>> = profiles.into_iter().map(Arc::new).collect();
        let mut uids: HashMap<u32, usize> = HashMap::new();
        let mut keys: HashMap<String, usize> = HashMap::new();
        let mut names: HashMap<String, usize> = HashMap::new();
        let mut default: Option<usize> = None;
        let mut gids: HashMap<u32, usize> = HashMap::new();
        for (place, policy) in profiles.iter().enumerate() {
            let mut claim = |taken: Option<usize>, what: String| {
                let first = taken.and_then(|first| profiles.get(first));
                if let Some(first) = first {
                    let message = format!(
                        "the profiles `{}` and `{}` both claim {what}",
                        first.name(),
                        policy.name()
                    );
                    problems.push(Diagnostic::error(
                        "bind",
                        message,
                        "a principal is judged by one profile",
                    ));
                }
            };
            claim(
                names.insert(policy.name().to_owned(), place),
                "the same name".to_owned(),
            );
            let Some(bind) = policy.bind() else {
                claim(
                    default.replace(place),
                    "everyone not bound elsewhere".to_owned(),
                );
                continue;
            };
            for &uid in &bind.uids {
                claim(uids.insert(uid, place), format!("uid {uid}"));
            }
            for &gid in &bind.gids {
                claim(gids.insert(gid, place), format!("gid {gid}"));
            }
            for key in &bind.keys {
                claim(keys.insert(key.clone(), place), format!("the key {key}"));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut set = Self {
            profiles,
            uids,
            keys,
            ..Self::embedded()
        };
        // Group bindings are tried in the order of the profiles, so that two of a caller's groups do
        // not make the answer depend on the kernel's order of groups.
        set.gids = gids.into_iter().collect();
        set.gids.sort_unstable_by_key(|&(gid, place)| (place, gid));
        if let Some(default) = default.and_then(|place| set.profiles.get(place)) {
            set.default = Arc::clone(default);
        }
        set.digest_text = set.profiles.iter().map(section).collect();
        if default.is_none() {
            set.digest_text.push_str(&section(&set.default));
        }
        Ok(set)
    }

    /// The policy that judges a principal: by key or user, then by group, then the default.
    #[must_use]
    pub fn for_principal(&self, principal: &Principal) -> &Arc<Policy> {
        let place = match principal {
            Principal::Local {
                uid, gid, groups, ..
            } => self.uids.get(uid).copied().or_else(|| {
                let member = |wanted: u32| wanted == *gid || groups.contains(&wanted);
                self.gids
                    .iter()
                    .find(|(wanted, _)| member(*wanted))
                    .map(|&(_, place)| place)
            }),
            Principal::Key(name) => self.keys.get(&**name).copied(),
            Principal::Node(_) => None,
        };
        place
            .and_then(|place| self.profiles.get(place))
            .unwrap_or(&self.default)
    }

    /// The profiles, in the order given, the default last when it is the embedded floor.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        let listed = self
            .profiles
            .iter()
            .any(|policy| Arc::ptr_eq(policy, &self.default));
        self.profiles
            .iter()
            .chain((!listed).then_some(&self.default))
    }

    /// The policy of everyone not bound elsewhere.
    #[must_use]
    pub const fn default_policy(&self) -> &Arc<Policy> {
        &self.default
    }

    /// The profile of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Policy>> {
        self.policies().find(|policy| policy.name() == name)
    }

    /// Text that is the same for two sets exactly when they judge everyone the same by their files.
    #[must_use]
    pub fn digest_text(&self) -> &str {
        &self.digest_text
    }
}

/// A profile's part of the digest text. The length keeps two parts from reading as one.
fn section(policy: &Arc<Policy>) -> String {
    let text = policy.digest_text();
    format!("{} {}\n{text}\n", policy.name(), text.len())
}
