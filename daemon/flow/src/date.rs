//! Days of the calendar, as people and programs write them, to one form.
//!
//! A day with a year is `date:2024-05-30`; one without is `date:--05-30`. Times of day are not read: one of a day's
//! minutes says too little about who chose it.

/// Calls `emit` with every day the text names.
pub(crate) fn days(text: &str, emit: &mut dyn FnMut(&str)) {
    let mut cluster = Cluster::default();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '(' | ')')) {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        if word.is_empty() {
            continue;
        }
        // Every day written in one word begins with a digit.
        let digit = word
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit());
        if let Some((year, month, day)) = digit.then(|| written(word)).flatten() {
            cluster.close(emit);
            emit(&form(Some(year), month, day));
            continue;
        }
        match part(word) {
            Some(part) => cluster.parts.push(part),
            None => cluster.close(emit),
        }
    }
    cluster.close(emit);
}

/// The forms under which the day of a date argument may be known, when `value` is a date or a date with a time: with
/// the year, and without.
pub(crate) fn of_value(value: &str) -> Option<[String; 2]> {
    let value = value.trim();
    let (date, rest) = value.split_at_checked(10)?;
    let (year, month, day) = iso(date)?;
    let clock = rest.trim_start_matches(['T', 't', ' ']);
    let is_clock = clock
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | 'Z' | 'z' | '+' | '-'));
    let parted = rest.is_empty() || clock.len() < rest.len();
    (is_clock && parted && clock.len() <= 24)
        .then(|| [form(Some(year), month, day), form(None, month, day)])
}

fn form(year: Option<u32>, month: u32, day: u32) -> String {
    match year {
        Some(year) => format!("date:{year:04}-{month:02}-{day:02}"),
        None => format!("date:--{month:02}-{day:02}"),
    }
}

fn iso(date: &str) -> Option<(u32, u32, u32)> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let shaped = year.len() == 4 && month.len() == 2 && day.len() == 2 && parts.next().is_none();
    let date = (digits(year)?, digits(month)?, digits(day)?);
    (shaped && (1..=12).contains(&date.1) && (1..=31).contains(&date.2)).then_some(date)
}

/// A day written in one word: `2024-05-30`, with or without a time, or `30.05.2024` and its like.
fn written(word: &str) -> Option<(u32, u32, u32)> {
    if let Some(date) = word.get(..10).and_then(iso) {
        let next = word.as_bytes().get(10);
        return next
            .is_none_or(|byte| !byte.is_ascii_digit())
            .then_some(date);
    }
    let mut parts = word.split(['/', '.']);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || first.len() > 2 || second.len() > 2 {
        return None;
    }
    let (first, second, year) = (digits(first)?, digits(second)?, digits(year)?);
    // Where both orders could be meant, the month is taken to come first.
    match (first, second) {
        (1..=12, 1..=31) => Some((year, first, second)),
        (13..=31, 1..=12) => Some((year, second, first)),
        _ => None,
    }
}

fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[derive(Clone, Copy)]
enum Part {
    Day(u32),
    Month(u32),
    Year(u32),
    Join,
}

/// The longest word of a date: `september`.
const PART_BYTES: usize = 9;

fn part(word: &str) -> Option<Part> {
    let mut lower = [0; PART_BYTES];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    // No character beyond ASCII has one of these words' letters for its small one.
    let word = std::str::from_utf8(lower).ok()?;
    if let Some(month) = month(word) {
        return Some(Part::Month(month));
    }
    if matches!(
        word,
        "to" | "until" | "till" | "and" | "of" | "the" | "through" | "from" | "or"
    ) {
        return Some(Part::Join);
    }
    let bare = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending))
        .unwrap_or(word);
    match digits(bare)? {
        day @ 1..=31 if bare.len() <= 2 => Some(Part::Day(day)),
        year @ 1900..=2199 => Some(Part::Year(year)),
        _ => None,
    }
}

fn month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let known = |name: &str| name == word || (word.len() == 3 && name.starts_with(word));
    let found = MONTHS.iter().position(|name| known(name))?;
    u32::try_from(found + 1).ok()
}

/// Parts of dates that follow one another.
#[derive(Default)]
struct Cluster {
    parts: Vec<Part>,
}

impl Cluster {
    /// Emits the days of the cluster. In `May 1st to 5th` a day takes the month before it, in `1st to 5th of May` the one
    /// after it; the year is the next one written.
    fn close(&mut self, emit: &mut dyn FnMut(&str)) {
        if self.parts.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.parts);
        let mut dated = parts
            .iter()
            .filter(|part| matches!(part, Part::Day(_) | Part::Month(_)));
        let month_first = matches!(dated.next(), Some(Part::Month(_)));
        let mut before = None;
        for (index, part) in parts.iter().enumerate() {
            let after = parts.get(index + 1..).unwrap_or_default();
            match part {
                Part::Month(month) => before = Some(*month),
                Part::Day(day) => {
                    let next = after.iter().find_map(|part| match part {
                        Part::Month(month) => Some(*month),
                        _ => None,
                    });
                    let month = if month_first { before } else { next.or(before) };
                    let year = after.iter().find_map(|part| match part {
                        Part::Year(year) => Some(*year),
                        _ => None,
                    });
                    if let Some(month) = month {
                        emit(&form(year, month, *day));
                    }
                }
                Part::Year(_) | Part::Join => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{days, of_value};

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        days(text, &mut |day| found.push(day.to_owned()));
        found
    }

    #[test]
    fn days_are_read_as_people_write_them() {
        for (text, want) in [
            ("on May 30th, 2024 at ten", vec!["date:2024-05-30"]),
            ("30 May 2024", vec!["date:2024-05-30"]),
            (
                "from the 13th to the 17th of May 2024,",
                vec!["date:2024-05-13", "date:2024-05-17"],
            ),
            (
                "January 11th to January 15th 2025.",
                vec!["date:2025-01-11", "date:2025-01-15"],
            ),
            ("May 1st to 5th", vec!["date:--05-01", "date:--05-05"]),
            (
                "2024-05-30T10:20:00 30.05.2024 5/30/2024",
                vec!["date:2024-05-30"; 3],
            ),
            ("you may call 12 people", vec![]),
            ("2024-05-301 3.14.15 1/2", vec![]),
        ] {
            assert_eq!(found(text), want, "{text}");
        }
    }

    #[test]
    fn a_value_is_a_date_with_or_without_a_time() {
        let known = of_value("2024-05-30 10:20").unwrap();
        assert_eq!(known, ["date:2024-05-30", "date:--05-30"]);
        assert!(of_value("2024-05-30").is_some() && of_value("2024-05-30T10:20:00Z").is_some());
        for text in [
            "2024-05-30x",
            "2024-05-3010",
            "2024-13-30",
            "the 30th",
            "2024-05-30 noon",
            "é2024-05-30",
        ] {
            assert!(of_value(text).is_none(), "{text}");
        }
    }
}
