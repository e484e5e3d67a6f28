//! Journal rows as people and programs read them.

use std::fmt::Write as _;

use fak_chain::{Record, RecordKind};
use fak_proto::v1::JournalRow;
use fak_types::VerdictKind;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

use crate::{
    exit::Failure,
    operate::hex,
    out::{Out, Tint, clip, plain, table},
};

/// A row: its place, its hash, its bytes, and what they say.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) hash: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) record: Record,
}

impl std::ops::Deref for Row {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl Row {
    /// Reads a row's bytes.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Data`] when the body is no record of this format.
    pub(crate) fn new(seq: u64, body: Vec<u8>, hash: Vec<u8>) -> Result<Self, Failure> {
        let record = fak_chain::decode(&body).map_err(|error| {
            Failure::data(format!("row {seq}: {error}")).fix("`fakctl audit verify` says more")
        })?;
        Ok(Self {
            seq,
            hash,
            body,
            record,
        })
    }

    /// Why it was refused; empty for what was not.
    pub(crate) fn why(&self) -> &str {
        if self.reason == "NONE" {
            ""
        } else {
            &self.reason
        }
    }

    pub(crate) fn of_proto(row: &JournalRow) -> Result<Self, Failure> {
        Self::new(row.seq, row.body.clone(), row.hash.clone())
    }
}

/// `{"seq":12,"hash":"sha256:..","record":{..}}`: the body's bytes as they are, so that whoever reads an
/// export can recompute the chain.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = std::str::from_utf8(&self.body)
            .ok()
            .and_then(|text| serde_json::from_str::<&RawValue>(text).ok())
            .ok_or_else(|| serde::ser::Error::custom("a record that is not JSON"))?;
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("hash", &format!("sha256:{}", hex(&self.hash)))?;
        map.serialize_entry("record", body)?;
        map.end()
    }
}

/// Rows as a table, one line each.
pub(crate) fn lines(out: &Out, rows: &[Row]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let mut why = row.why().to_owned();
            if why.is_empty() {
                why.clone_from(&row.would_deny);
                if !why.is_empty() {
                    why.insert_str(0, "would deny: ");
                }
            }
            let what = [&row.by, &row.subject, &row.note]
                .into_iter()
                .filter(|part| !part.is_empty());
            let what = what
                .map(|part| plain(part).into_owned())
                .collect::<Vec<_>>()
                .join("  ");
            vec![
                (format!("#{}", row.seq), Some(Tint::Dim)),
                (time(row.ts_us), Some(Tint::Dim)),
                (kind_word(row), Some(tint(row))),
                (clip(&plain(&row.who), 16).into_owned(), None),
                (clip(&plain(&row.trace), 20).into_owned(), Some(Tint::Dim)),
                (clip(&plain(&row.tool), 28).into_owned(), None),
                (plain(&why).into_owned(), None),
                (what, None),
            ]
        })
        .collect();
    table(out, &cells)
}

fn kind_word(row: &Row) -> String {
    let kind = row.record.kind.as_str();
    if row.verdict.is_empty() || row.verdict == kind || (kind == "DECIDE" && row.verdict == "ALLOW")
    {
        if kind == "DECIDE" {
            "ALLOW".to_owned()
        } else {
            kind.to_owned()
        }
    } else {
        plain(&row.verdict).into_owned()
    }
}

fn tint(row: &Row) -> Tint {
    match row.record.kind {
        RecordKind::Decide => match VerdictKind::parse(&row.verdict) {
            Some(VerdictKind::Allow) => Tint::Good,
            _ => Tint::Warn,
        },
        RecordKind::Deny | RecordKind::Refused | RecordKind::Gap | RecordKind::Quarantine => {
            Tint::Bad
        }
        _ => Tint::Bold,
    }
}

/// A row with every field it has, one per line.
pub(crate) fn whole(out: &Out, row: &Row) -> String {
    let mut text = format!(
        "{} {}\n",
        out.paint(tint(row), &kind_word(row)),
        out.paint(Tint::Dim, &format!("#{}", row.seq))
    );
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(
                text,
                "  {} {}",
                out.paint(Tint::Dim, &format!("{name:<12}")),
                plain(value)
            );
        }
    };
    let number = |value: u64| {
        if value == 0 {
            String::new()
        } else {
            value.to_string()
        }
    };
    let digest = |value: Option<fak_types::Digest>| {
        value.map_or_else(String::new, |digest| digest.to_string())
    };
    line("time", &time(row.ts_us));
    line("kind", row.record.kind.as_str());
    line("principal", &row.who);
    line("pid", &number(row.pid.into()));
    line("trace", &row.trace);
    line("call", &row.call);
    line("tool", &row.tool);
    line("verdict", &row.verdict);
    line("reason", row.why());
    line("by", &row.by);
    line("disposition", &row.disposition);
    line("would deny", &row.would_deny);
    line("arguments", &digest(row.args_digest));
    line("bytes", &number(row.args_bytes));
    line("result", &digest(row.result_digest));
    line("profile", &row.profile);
    line("policy", &digest(row.policy));
    line("generation", &number(row.generation));
    line("subject", &row.subject);
    line("note", &row.note);
    line("count", &number(row.count));
    line(
        "took",
        &if row.took_us == 0 {
            String::new()
        } else {
            format!("{} µs", row.took_us)
        },
    );
    line("hash", &hex(&row.hash));
    text
}

/// `2031-02-03T04:05:06.789Z` from microseconds since 1970.
pub(crate) fn time(ts_us: u64) -> String {
    let (seconds, millis) = (ts_us / 1_000_000, ts_us / 1000 % 1000);
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Days to a civil date, counting years from 1 March so that the leap day comes last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(time(seconds * 1_000_000), text);
        }
        assert_eq!(time(1_234_567), "1970-01-01T00:00:01.234Z");
    }

    #[test]
    fn a_row_keeps_the_bytes_of_its_body() {
        let mut draft = fak_chain::Draft::new(RecordKind::Deny, 7);
        draft.tool = "Bash".into();
        let body = fak_chain::encode(&draft, 3);
        let row = Row::new(3, body.clone(), vec![0xab; 32]).unwrap();
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.contains(std::str::from_utf8(&body).unwrap()), "{text}");
        assert!(Row::new(3, b"{}".to_vec(), vec![]).is_err());
    }
}
