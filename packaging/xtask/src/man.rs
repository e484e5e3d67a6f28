//! Manual pages from the table of verbs and flags.

use std::{fs, io, path::Path};

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::Outcome;

/// Writes one page for each verb, and for each verb below a verb, into `dir`.
///
/// The page of `fakctl` itself is written by hand: it is the way around, these are the details.
pub(crate) fn write(dir: &Path) -> Outcome {
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    for (name, text) in pages()? {
        let path = dir.join(&name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Every page: its file's name and its text.
pub(crate) fn pages() -> Outcome<Vec<(String, Vec<u8>)>> {
    let mut command = fakctl::command();
    command.build();
    let mut pages = Vec::new();
    for verb in command.get_subcommands() {
        below(verb, "fakctl", &mut pages).map_err(|error| format!("a manual page: {error}"))?;
    }
    Ok(pages)
}

fn below(verb: &Command, above: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    if verb.is_hide_set() || verb.get_name() == "help" {
        return Ok(());
    }
    let name = format!("{above}-{}", verb.get_name());
    pages.push((format!("{name}.1"), page(verb, &name)?));
    for inner in verb.get_subcommands() {
        below(inner, &name, pages)?;
    }
    Ok(())
}

fn page(verb: &Command, name: &str) -> io::Result<Vec<u8>> {
    let titled = verb.clone().display_name(name.to_owned());
    let man = Man::new(titled);
    // The third field is a date: it stays empty, for the same sources give the same page on any day.
    let mut text = format!(
        ".TH \"{}\" 1 \"\" \"fakd {}\" \"User Commands\"\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
    )
    .into_bytes();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if verb
        .get_subcommands()
        .any(|inner| inner.get_name() != "help")
    {
        man.render_subcommands_section(&mut text)?;
    }
    let after = verb.get_after_help().map(ToString::to_string);
    extra(&after.unwrap_or_default()).to_writer(&mut text)?;
    see_also(verb, name).to_writer(&mut text)?;
    Ok(text)
}

/// The text after a verb's help: its examples and its exit codes become sections, indented lines stay as they are.
fn extra(after: &str) -> Roff {
    let mut roff = Roff::default();
    let mut is_verbatim = false;
    let mut has_section = false;
    for line in after.lines() {
        let indented = line.strip_prefix("  ");
        if indented.is_some() != is_verbatim {
            roff.control(if is_verbatim { "EE" } else { "EX" }, []);
            is_verbatim = !is_verbatim;
        }
        if let Some(example) = indented {
            roff.text([roman(example)]);
        } else if line == "Examples:" {
            roff.control("SH", ["EXAMPLES"]);
            has_section = true;
        } else if let Some(codes) = line.strip_prefix("Exit codes: ") {
            roff.control("SH", ["EXIT STATUS"]);
            roff.text([roman(codes)]);
            has_section = true;
        } else if line.is_empty() {
            // Sections part by themselves.
        } else {
            if !has_section {
                roff.control("SH", ["NOTES"]);
                has_section = true;
            }
            roff.text([roman(line)]);
        }
    }
    if is_verbatim {
        roff.control("EE", []);
    }
    roff
}

fn see_also(verb: &Command, name: &str) -> Roff {
    let mut others = vec!["fakctl(1)".to_owned()];
    if let Some((above, _)) = name
        .rsplit_once('-')
        .filter(|(above, _)| *above != "fakctl")
    {
        others.push(format!("{above}(1)"));
    }
    let inner = verb.get_subcommands().map(Command::get_name);
    others.extend(
        inner
            .filter(|inner| *inner != "help")
            .map(|inner| format!("{name}-{inner}(1)")),
    );
    others.push("fakd(8)".to_owned());
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(others.join(", "))]);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_two_runs_give_the_same_bytes() {
        let pages = pages().expect("rendered");
        for verb in fakctl::command().get_subcommands() {
            let name = format!("fakctl-{}.1", verb.get_name());
            assert!(
                pages.iter().any(|(page, _)| *page == name),
                "{name} is missing"
            );
        }
        assert!(
            pages
                .iter()
                .any(|(page, _)| page == "fakctl-policy-check.1")
        );
        assert_eq!(pages, super::pages().expect("rendered again"));
    }

    #[test]
    fn a_page_names_its_options_and_keeps_the_lines_of_its_examples() {
        let pages = pages().expect("rendered");
        let (_, text) = pages
            .iter()
            .find(|(name, _)| name == "fakctl-adjudicate.1")
            .expect("a page");
        let text = String::from_utf8_lossy(text);
        assert!(
            text.starts_with(".TH \"FAKCTL-ADJUDICATE\" 1 \"\" \"fakd "),
            "{text}"
        );
        assert!(text.contains("\\-\\-explain"), "{text}");
        assert!(
            text.contains(".SH EXAMPLES\n.EX\nfakctl adjudicate Bash"),
            "{text}"
        );
        assert!(text.contains(".SH \"EXIT STATUS\"\n0 ALLOW"), "{text}");
    }
}
