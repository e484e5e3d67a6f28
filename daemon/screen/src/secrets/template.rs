//! Examples are made here, at run time, so that no scanner finds a secret in this repository.

use base64::{Engine as _, engine::general_purpose};

use super::checks::checksum;

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";

/// Draws the same characters for the same seed.
pub(super) struct Template {
    state: u64,
}

impl Template {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d,
        }
    }

    /// `template` with every `{name}` and `{name:argument}` it knows filled; other braces stay.
    pub(super) fn fill(&mut self, template: &str) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            out.push_str(before);
            let filled = from
                .find('}')
                .and_then(|close| Some((close, self.part(&from[1..close])?)));
            if let Some((close, part)) = filled {
                out.push_str(&part);
                rest = &from[close + 1..];
            } else {
                out.push('{');
                rest = &from[1..];
            }
        }
        out.push_str(rest);
        out
    }

    fn part(&mut self, part: &str) -> Option<String> {
        let (name, argument) = part.split_once(':').unwrap_or((part, ""));
        let class = match name {
            "b62" => format!("{UPPER}{DIGITS}{LOWER}"),
            "b64" => format!("{UPPER}{DIGITS}{LOWER}+/"),
            "url" => format!("{UPPER}{DIGITS}{LOWER}-_"),
            "hex" => format!("{DIGITS}abcdef"),
            "b32" => format!("{UPPER}234567"),
            "up" => format!("{UPPER}{DIGITS}"),
            "low" => format!("{LOWER}{DIGITS}"),
            "dig" => DIGITS.to_owned(),
            "abc" => format!("{UPPER}{LOWER}"),
            "crc" => {
                let random = self.draw(&format!("{UPPER}{DIGITS}{LOWER}"), argument.parse().ok()?);
                return Some(format!("{random}{}", checksum(&random)));
            }
            "rep" => {
                let (text, count) = argument.rsplit_once(':')?;
                return Some(text.chars().cycle().take(count.parse().ok()?).collect());
            }
            "b64of" => return Some(general_purpose::STANDARD.encode(argument)),
            "uuid" => {
                let hex = |this: &mut Self, count| this.draw("0123456789abcdef", count);
                let parts: Vec<_> = [8, 4, 4, 4, 12].map(|count| hex(self, count)).into();
                return Some(parts.join("-"));
            }
            "jwt-head" => return Some(encoded(r#"{"alg":"HS256","typ":"JWT"}"#)),
            "jwt" => {
                let sign = self.draw(&format!("{UPPER}{DIGITS}{LOWER}-_"), 43);
                let head = encoded(r#"{"alg":"HS256","typ":"JWT"}"#);
                return Some(format!("{head}.{}.{sign}", encoded(r#"{"sub":"1"}"#)));
            }
            "nl" => return Some("\n".to_owned()),
            _ => return None,
        };
        Some(self.draw(&class, argument.parse().ok()?))
    }

    /// `count` characters of a class; the first ones show what the class has.
    fn draw(&mut self, class: &str, count: usize) -> String {
        let class: Vec<char> = class.chars().collect();
        (0..count)
            .map(|at| {
                self.state = self
                    .state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let drawn = usize::try_from(self.state >> 33).unwrap_or_default() % class.len();
                let shown = [class.len() - 3, class.len() / 3, class.len() / 2, 3];
                class[*shown.get(at).unwrap_or(&drawn)]
            })
            .collect()
    }
}

fn encoded(json: &str) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(json)
}
