//! Profiles: from files to a set that judges.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use fak_chain::digest_bytes;
use fak_control::ProfileInfo;
use fak_policy::{
    Diagnostic, Format, Policy, PolicySet,
    load::{self, MANIFEST_BYTES_MAX},
    manifest::Bind,
};

/// Most profile files of a directory. LIMIT: more is a mistake.
const FILES_MAX: usize = 1000;

/// One profile's text and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// What problems are reported under: the file's path, or the name a client gave.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) format: Format,
    /// For people: the file, or `loaded`.
    pub(crate) origin: String,
}

/// A set that compiled, and what it was made of.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) set: PolicySet,
    pub(crate) infos: Vec<ProfileInfo>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Reads the profiles at `path`: a file, or a directory's `*.json`, `*.yaml` and `*.yml` by name. A
/// path that does not exist has none, unless it is `required`.
///
/// # Errors
/// What cannot be read, file by file.
pub(crate) fn read(path: &Path, required: bool) -> Result<Vec<Source>, Vec<Diagnostic>> {
    let files = match files_at(path) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Vec::new(),
        Err(error) => return Err(vec![unreadable(path, &error.to_string())]),
    };
    if files.len() > FILES_MAX {
        return Err(vec![unreadable(
            path,
            &format!("holds more than {FILES_MAX} profiles"),
        )]);
    }
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match read_one(&file) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(sources)
    } else {
        Err(problems)
    }
}

fn files_at(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // Editors leave hidden files beside the real ones.
        if !name.starts_with('.') && Format::of_name(&name).is_some() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_one(file: &Path) -> Result<Source, Diagnostic> {
    use io::Read as _;
    let name = file.display().to_string();
    let mut text = String::new();
    let bytes_max = u64::try_from(MANIFEST_BYTES_MAX).unwrap_or(u64::MAX);
    // One byte more than is allowed, so that the loader sees that it is too long.
    fs::File::open(file)
        .and_then(|open| open.take(bytes_max + 1).read_to_string(&mut text))
        .map_err(|error| unreadable(file, &error.to_string()))?;
    let format = Format::guess(&name, &text);
    Ok(Source {
        origin: name.clone(),
        name,
        text,
        format,
    })
}

fn unreadable(path: &Path, why: &str) -> Diagnostic {
    let problem = Diagnostic::error("", format!("cannot be read: {why}"), "");
    Diagnostic {
        file: path.display().to_string(),
        ..problem
    }
}

/// Loads and compiles every source and joins them; without any, the embedded floor judges everyone.
///
/// # Errors
/// Every problem of every source, each with its file, line and column.
pub(crate) fn build(sources: &[Source]) -> Result<Built, Vec<Diagnostic>> {
    let mut policies = Vec::new();
    let mut warnings = Vec::new();
    let mut problems = Vec::new();
    for source in sources {
        match compile(source) {
            Ok((policy, found)) => {
                policies.push(policy);
                warnings.extend(found);
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let origins: Vec<(String, String)> = policies
        .iter()
        .zip(sources)
        .map(|(policy, source)| (policy.name().to_owned(), source.origin.clone()))
        .collect();
    let set = if policies.is_empty() {
        PolicySet::embedded()
    } else {
        PolicySet::new(policies).map_err(|found| in_files(found, sources))?
    };
    let infos = set.policies().enumerate().map(|(place, policy)| {
        let origin = origins
            .get(place)
            .map_or("embedded", |(_, origin)| origin.as_str());
        info(policy, origin)
    });
    Ok(Built {
        infos: infos.collect(),
        set,
        warnings,
    })
}

/// The name a source's profile has: its own, or its file's.
pub(crate) fn profile_name(source: &Source, own: Option<&str>) -> String {
    let stem = Path::new(&source.name)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    own.map_or(stem, str::to_owned)
}

fn compile(source: &Source) -> Result<(Policy, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (manifest, warnings) = fak_policy::load(&source.name, &source.text, source.format)?;
    let name = profile_name(source, manifest.name.as_deref());
    let policy = Policy::compile(&name, &manifest)
        .map_err(|found| load::locate(&source.name, &source.text, source.format, found))?;
    Ok((policy, warnings))
}

/// Problems between files belong to all of them.
fn in_files(mut problems: Vec<Diagnostic>, sources: &[Source]) -> Vec<Diagnostic> {
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    for problem in &mut problems {
        problem.file = names.join(", ");
    }
    problems
}

fn info(policy: &Policy, origin: &str) -> ProfileInfo {
    ProfileInfo {
        name: policy.name().to_owned(),
        source: origin.to_owned(),
        digest: digest_bytes(policy.digest_text().as_bytes()).to_string(),
        posture: policy.posture().as_str().to_owned(),
        bind: policy.bind().map(bound).unwrap_or_default(),
        manifest: policy.digest_text().to_owned(),
    }
}

fn bound(bind: &Bind) -> Vec<String> {
    let uids = bind.uids.iter().map(|uid| format!("uid:{uid}"));
    let gids = bind.gids.iter().map(|gid| format!("gid:{gid}"));
    let keys = bind.keys.iter().map(|key| format!("key:{key}"));
    uids.chain(gids).chain(keys).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_directory_means_the_embedded_floor() {
        let built =
            build(&read(Path::new("/no/such/policy.d"), false).expect("none")).expect("built");
        assert_eq!(built.infos.len(), 1);
        assert_eq!(built.infos[0].source, "embedded");
        assert!(read(Path::new("/no/such/policy.d"), true).is_err());
    }

    #[test]
    fn every_file_of_a_directory_is_read_and_other_files_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let write =
            |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        write(
            "10-a.json",
            r#"{"version": "fak-policy/v1", "allow": ["Read"], "bind": {"uids": [7]}}"#,
        );
        write("20-b.yaml", "version: fak-policy/v1\nname: team\n");
        write("notes.txt", "not a profile");
        write(".hidden.yaml", "]");
        let built = build(&read(dir.path(), true).expect("read")).expect("built");
        let names: Vec<_> = built.infos.iter().map(|info| info.name.as_str()).collect();
        assert_eq!(names, ["10-a", "team"]);
        assert_eq!(built.infos[0].bind, ["uid:7"]);
        assert!(built.infos[1].source.ends_with("20-b.yaml"));
    }

    #[test]
    fn problems_of_all_files_are_told_with_their_places() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("a.json"), "{\n  \"allowed\": []\n}").expect("written");
        fs::write(dir.path().join("b.yaml"), "posture: maybe\n").expect("written");
        let problems = build(&read(dir.path(), true).expect("read")).expect_err("refused");
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|line| line.contains("a.json:2:3: error:")),
            "{told:?}"
        );
        assert!(
            told.iter().any(|line| line.contains("b.yaml:1:")),
            "{told:?}"
        );
    }
}
