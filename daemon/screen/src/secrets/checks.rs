//! Validators: what a match must be beyond its shape.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use super::block;

/// LIMIT: bytes of a JWT header or of a base64 pair that are decoded to look at them; real ones are far shorter.
const DECODED_MAX: usize = 4096;

/// The validators a rule may name.
#[derive(Clone, Copy, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    /// Letters and digits.
    Mixed,
    /// A random token, and no stand-in, path, identifier or UUID.
    Token,
    /// What follows `Bearer` in a header: a token, or letters that are no words.
    Bearer,
    /// A password somebody chose, and no stand-in, expression or identifier.
    Password,
    /// A password in a URL, and no stand-in.
    UrlPassword,
    /// Base64 of `user:password`.
    UserPassword,
    /// An AWS key id whose account number, where it holds one, has at most twelve digits.
    AwsKeyId,
    /// A token whose last six characters are a checksum, or that is random without it.
    CrcToken,
    /// The first part is the base64 of a numeric id.
    Discord,
    /// Both cases and digits, as a long random run has.
    Facebook,
    /// The header is JSON that names an algorithm.
    Jwt,
    /// The block that begins here, up to its end.
    Pem,
    /// A number of the social security administration's form.
    Ssn,
}

/// What a validator looks at.
pub(super) struct Found<'a> {
    pub(super) text: &'a str,
    /// The whole match.
    pub(super) whole: Range<usize>,
    /// The secret in it.
    pub(super) secret: Range<usize>,
    /// The first group, where the rule has one.
    pub(super) first: Option<Range<usize>>,
    pub(super) stopwords: &'a AhoCorasick,
}

impl Check {
    /// The span of the secret, or nothing where it is none.
    pub(super) fn run(self, found: &Found<'_>) -> Option<Range<usize>> {
        let secret = found.text.get(found.secret.clone())?;
        let good = match self {
            Self::Pem => return block::end(found.text, &found.whole),
            Self::Mixed => mixed(secret),
            Self::Token => token(secret, found.stopwords),
            Self::Bearer => bearer(secret, found.stopwords),
            Self::Password => password(secret, quoted(found), found.stopwords),
            Self::UrlPassword => url_password(secret, found.stopwords),
            Self::UserPassword => user_password(secret, found.stopwords),
            Self::AwsKeyId => aws_key_id(secret),
            Self::CrcToken => crc_token(secret),
            Self::Discord => discord(secret),
            Self::Facebook => mixed(secret) && secret.bytes().any(|byte| byte.is_ascii_lowercase()),
            Self::Jwt => jwt(found.text.get(found.first.clone()?)?),
            Self::Ssn => ssn(secret),
        };
        good.then(|| found.secret.clone())
    }
}

/// Shannon's entropy of the bytes, in bits for each.
pub(super) fn entropy(text: &[u8]) -> f32 {
    let mut counts = [0_u32; 256];
    for &byte in text {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "lengths and counts are small, and a bit of precision decides nothing"
    )]
    let all = text.len() as f32;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            let share = count as f32 / all;
            -share * share.log2()
        })
        .sum()
}

fn mixed(secret: &str) -> bool {
    secret.bytes().any(|byte| byte.is_ascii_digit())
        && secret.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// `secret` without the words of stand-ins.
fn stripped(secret: &str, stopwords: &AhoCorasick) -> String {
    let mut rest = String::with_capacity(secret.len());
    let mut from = 0;
    for word in stopwords.find_iter(secret) {
        rest.push_str(secret.get(from..word.start()).unwrap_or_default());
        from = word.end();
    }
    rest.push_str(secret.get(from..).unwrap_or_default());
    rest
}

fn alphanumeric(text: &str) -> usize {
    text.bytes()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .count()
}

/// Whether a part of an identifier reads as a word: letters with at most two digits at the end, or a short number.
fn wordy(part: &str) -> bool {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = part.len() - letters.len();
    let limit = if letters.is_empty() { 4 } else { 2 };
    digits <= limit && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn parts(secret: &str) -> impl Iterator<Item = &str> {
    secret.split(['_', '-', '.', '/', ':', '~', '+', '='])
}

fn uuid(secret: &str) -> bool {
    secret.len() == 36
        && secret.bytes().enumerate().all(|(at, byte)| {
            if matches!(at, 8 | 13 | 18 | 23) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

fn token(secret: &str, stopwords: &AhoCorasick) -> bool {
    if !mixed(secret) || uuid(secret) || secret.starts_with(['/', '.', '~']) {
        return false;
    }
    let random: usize = parts(secret)
        .filter(|part| !wordy(part))
        .map(|part| alphanumeric(&stripped(part, stopwords)))
        .sum();
    // A digest named beside the word is no credential of itself.
    let named = secret.starts_with("sha256") || secret.starts_with("sha512");
    random >= 10 && !named
}

fn bearer(secret: &str, stopwords: &AhoCorasick) -> bool {
    let rest = stripped(secret, stopwords);
    if alphanumeric(&rest) < 12 {
        return false;
    }
    mixed(secret) || !secret.contains(['_', '-', '.', '/'])
}

fn placeholder(secret: &str) -> bool {
    secret.starts_with([
        '$', '%', '<', '(', '[', '{', '*', '&', '/', '.', '~', '#', '\\', '`',
    ]) || ["${", "{{", "$(", "%(", "#{", "://", "::", "->", "=>", "[]"]
        .iter()
        .any(|mark| secret.contains(mark))
}

/// Whether a quote stands right before the secret.
fn quoted(found: &Found<'_>) -> bool {
    found
        .secret
        .start
        .checked_sub(1)
        .and_then(|at| found.text.as_bytes().get(at))
        .is_some_and(|byte| matches!(byte, b'"' | b'\''))
}

fn distinct(text: &str) -> usize {
    let mut seen: Vec<u8> = text.bytes().collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

fn password(secret: &str, quoted: bool, stopwords: &AhoCorasick) -> bool {
    if placeholder(secret) || uuid(secret) {
        return false;
    }
    let digit = secret.bytes().any(|byte| byte.is_ascii_digit());
    let letter = secret.bytes().any(|byte| byte.is_ascii_alphabetic());
    let symbol = secret
        .bytes()
        .any(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'_' | b'-' | b'.'));
    if !letter || !(digit || symbol && quoted) {
        return false;
    }
    // An expression: a call, an index, a member.
    if secret.contains(['(', ')']) || !quoted && secret.contains(['[', ']', '.', '{', '}', '|']) {
        return false;
    }
    let separated = secret.contains(['_', '-', '.', '/', ':']);
    if separated && parts(secret).all(wordy) {
        return false;
    }
    let rest = stripped(secret, stopwords);
    let least = if quoted { 5 } else { 6 };
    let plain = wordy(&rest) && !quoted;
    alphanumeric(&rest) >= least && distinct(&rest) >= 4 && !plain
}

fn url_password(secret: &str, stopwords: &AhoCorasick) -> bool {
    if placeholder(secret) || secret.contains(['(', ')', '{', '}', '*', '[', ']']) {
        return false;
    }
    let rest = stripped(secret, stopwords);
    let same = distinct(&rest) < 3;
    alphanumeric(&rest) >= 3 && !same && rest.bytes().any(|byte| !byte.is_ascii_digit())
}

/// Base64 in either alphabet, padded or not; nothing where it is none or too long.
fn decode(text: &str, alphabet: &alphabet::Alphabet) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    if text.len() > DECODED_MAX {
        return None;
    }
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

fn user_password(secret: &str, stopwords: &AhoCorasick) -> bool {
    let Some(pair) =
        decode(secret, &alphabet::STANDARD).and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return false;
    };
    let Some((user, password)) = pair.split_once(':') else {
        return false;
    };
    !user.is_empty()
        && pair.bytes().all(|byte| (b' '..0x7f).contains(&byte))
        && alphanumeric(&stripped(password, stopwords)) >= 3
}

fn aws_key_id(secret: &str) -> bool {
    let tail = secret.get(4..).unwrap_or_default();
    // The oldest keys hold no account.
    if tail.starts_with(['I', 'J']) {
        return true;
    }
    let mut bits = 0_u64;
    for byte in tail.bytes().take(10) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            // No base 32: whatever it holds, it is not for us to decode.
            _ => return true,
        };
        bits = bits << 5 | u64::from(value);
    }
    // Fifty bits: one that marks the form, forty of the account, nine of the rest.
    let account = bits >> 9 & ((1 << 40) - 1);
    account <= 999_999_999_999
}

fn crc_token(secret: &str) -> bool {
    let Some((_, body)) = secret.split_once('_') else {
        return false;
    };
    if let (36, Some((random, sum))) = (body.len(), body.split_at_checked(30))
        && checksum(random) == sum
    {
        return true;
    }
    entropy(body.as_bytes()) >= 3.0
}

/// The checksum of a token: CRC-32 in six digits of base 62.
pub(super) fn checksum(random: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = flate2::Crc::new();
    crc.update(random.as_bytes());
    let mut rest = crc.sum();
    let mut digits = [b'0'; 6];
    for place in digits.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

fn discord(secret: &str) -> bool {
    let id = secret.split('.').next().unwrap_or_default();
    decode(id, &alphabet::URL_SAFE).is_some_and(|id| {
        (16..=21).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_digit())
    })
}

fn jwt(header: &str) -> bool {
    decode(header, &alphabet::URL_SAFE)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .is_some_and(|json| {
            let json = json.trim();
            json.starts_with('{') && json.ends_with('}') && json.contains("\"alg\"")
        })
}

fn ssn(secret: &str) -> bool {
    let digits: String = secret.chars().filter(char::is_ascii_digit).collect();
    let part = |range: Range<usize>| digits.get(range).unwrap_or_default();
    let area = part(0..3);
    !matches!(area, "000" | "666")
        && !area.starts_with('9')
        && part(3..5) != "00"
        && part(5..9) != "0000"
}
