//! From logits to a token.
//!
//! The steps and their order are fixed: biases, the penalty of repetition, those of frequency and presence; then, unless
//! the temperature is 0, the `top_k` best, of these the `top_p` most probable, of these those of at least `min_p` of the
//! best's probability, and a draw. Candidates are ranked by logit and then by number, so equal logits have one order. A step
//! that is off changes no bit. The draw is a function of the seed and the position alone.

use std::{cmp::Ordering, collections::BTreeMap};

use fak_simd::argmax;

use crate::{math::exp, philox::uniform};

/// LIMIT: tokens with a bias of their own.
pub const BIASES_MAX: usize = 4096;

/// Candidates that are ranked first; most draws need no more.
const RANKED_FIRST: usize = 64;

/// How a token is chosen. The default is the most probable token.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Flattens above 1, sharpens below; 0 = the best token, always.
    pub temperature: f32,
    /// How many of the best take part; 0 = all.
    pub top_k: u32,
    /// The best that together have this probability take part; 1 = all.
    pub top_p: f32,
    /// Tokens of less than this part of the best's probability do not; 0 = all do.
    pub min_p: f32,
    /// Positive logits of tokens seen are divided by this, others multiplied; 1 = off.
    pub repetition_penalty: f32,
    /// Taken off a token's logit for each time it was seen; 0 = off.
    pub frequency_penalty: f32,
    /// Taken off a token's logit when it was seen at all; 0 = off.
    pub presence_penalty: f32,
    /// Added to tokens' logits.
    pub logit_bias: Vec<(u32, f32)>,
    /// The draw's seed.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

/// A setting that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {must}")]
pub struct SamplingError {
    /// Which.
    pub field: &'static str,
    /// What it must be.
    pub must: &'static str,
}

/// Chooses the tokens of one sequence, and remembers which were seen.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    seen: BTreeMap<u32, u32>,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler that has seen nothing.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn new(sampling: Sampling) -> Result<Sampler, SamplingError> {
        let s = &sampling;
        let penalty = "from -100 to 100";
        let biases = &s.logit_bias;
        let checks = [
            (
                "temperature",
                (0.0..=100.0).contains(&s.temperature),
                "from 0 to 100",
            ),
            (
                "top_p",
                s.top_p > 0.0 && s.top_p <= 1.0,
                "above 0, at most 1",
            ),
            ("min_p", (0.0..=1.0).contains(&s.min_p), "from 0 to 1"),
            (
                "repetition_penalty",
                s.repetition_penalty > 0.0 && s.repetition_penalty <= 100.0,
                "above 0, at most 100",
            ),
            (
                "frequency_penalty",
                (-100.0..=100.0).contains(&s.frequency_penalty),
                penalty,
            ),
            (
                "presence_penalty",
                (-100.0..=100.0).contains(&s.presence_penalty),
                penalty,
            ),
            (
                "logit_bias",
                biases.len() <= BIASES_MAX && biases.iter().all(|(_, bias)| bias.is_finite()),
                "at most 4096 finite numbers",
            ),
        ];
        if let Some(&(field, _, must)) = checks.iter().find(|(_, holds, _)| !holds) {
            return Err(SamplingError { field, must });
        }
        Ok(Sampler {
            sampling,
            seen: BTreeMap::new(),
            candidates: Vec::new(),
        })
    }

    /// Counts a token as seen.
    pub fn saw(&mut self, token: u32) {
        let count = self.seen.entry(token).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// The token for a position, and the logits as the penalties left them. `None` when no logit is a number.
    #[must_use]
    pub fn pick(&mut self, logits: &mut [f32], position: u64) -> Option<u32> {
        self.adjust(logits);
        let best = argmax(logits)?;
        let most = logits.get(best).copied()?;
        if self.sampling.temperature == 0.0 || !most.is_finite() {
            return u32::try_from(best).ok();
        }
        self.draw(logits, most, position)
    }

    /// Biases and penalties.
    fn adjust(&self, logits: &mut [f32]) {
        let s = &self.sampling;
        for (token, bias) in &s.logit_bias {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit += bias;
            }
        }
        let is_off =
            s.repetition_penalty == 1.0 && s.frequency_penalty == 0.0 && s.presence_penalty == 0.0;
        if is_off {
            return;
        }
        for (token, count) in &self.seen {
            let Some(logit) = logits.get_mut(*token as usize) else {
                continue;
            };
            if *logit > 0.0 {
                *logit /= s.repetition_penalty;
            } else {
                *logit *= s.repetition_penalty;
            }
            *logit -= s.frequency_penalty * times(*count);
            *logit -= s.presence_penalty;
        }
    }

    fn draw(&mut self, logits: &[f32], most: f32, position: u64) -> Option<u32> {
        let s = &self.sampling;
        let temperature = f64::from(s.temperature);
        let weigh = |logit: f32| exp((f64::from(logit) - f64::from(most)) / temperature);
        self.candidates.clear();
        let finite = (0_u32..).zip(logits).filter(|(_, logit)| logit.is_finite());
        self.candidates
            .extend(finite.map(|(token, logit)| (token, *logit)));
        if s.top_k > 0 && (s.top_k as usize) < self.candidates.len() {
            rank(&mut self.candidates, 0, s.top_k as usize);
            self.candidates.truncate(s.top_k as usize);
        }
        // In the order of numbers where all take part, in that of ranks where they are cut: either is one order.
        let total: f64 = self.candidates.iter().map(|(_, l)| weigh(*l)).sum();
        let mut ranked = Ranked::new(&mut self.candidates);
        let kept = if s.top_p < 1.0 || s.min_p > 0.0 {
            let (enough, least) = (total * f64::from(s.top_p), f64::from(s.min_p));
            let mut sum = 0.0;
            let mut kept = 0;
            while let Some((_, logit)) = ranked.get(kept) {
                let weight = weigh(logit);
                let is_enough = s.top_p < 1.0 && sum >= enough;
                if kept > 0 && (weight < least || is_enough) {
                    break;
                }
                sum += weight;
                kept += 1;
            }
            (kept, sum)
        } else {
            (usize::MAX, total)
        };
        let (count, sum) = kept;
        let target = uniform(s.seed, position) * sum;
        let mut passed = 0.0;
        let mut last = None;
        let mut index = 0;
        while index < count
            && let Some((token, logit)) = ranked.get(index)
        {
            let weight = weigh(logit);
            if weight > 0.0 || last.is_none() {
                last = Some(token);
            }
            passed += weight;
            if passed > target {
                break;
            }
            index += 1;
        }
        last
    }
}

/// A count as a number; counts that large have lost their meaning anyway.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn times(count: u32) -> f32 {
    count as f32
}

fn by_rank(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Puts the candidates of the ranks from `done` to `until` in their places; those before are in theirs.
fn rank(candidates: &mut [(u32, f32)], done: usize, until: usize) {
    let Some(rest) = candidates.get_mut(done..) else {
        return;
    };
    let count = until.saturating_sub(done).min(rest.len());
    if count < rest.len() && count > 0 {
        rest.select_nth_unstable_by(count, by_rank);
    }
    if let Some(part) = rest.get_mut(..count) {
        part.sort_unstable_by(by_rank);
    }
}

/// Candidates by rank, put in order as far as they are asked for.
struct Ranked<'a> {
    candidates: &'a mut [(u32, f32)],
    done: usize,
}

impl<'a> Ranked<'a> {
    fn new(candidates: &'a mut [(u32, f32)]) -> Ranked<'a> {
        Ranked {
            candidates,
            done: 0,
        }
    }

    fn get(&mut self, index: usize) -> Option<(u32, f32)> {
        if index >= self.done {
            let until = (self.done * 8).max(RANKED_FIRST);
            rank(self.candidates, self.done, until);
            self.done = until;
        }
        self.candidates.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Sampler, Sampling};

    fn sampler(sampling: Sampling) -> Sampler {
        Sampler::new(sampling).unwrap()
    }

    fn logits() -> impl Strategy<Value = Vec<f32>> {
        // Few distinct numbers, so that ties are common.
        let number = prop_oneof![
            8 => (-40_i32..40).prop_map(|x| x as f32 / 4.0),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::NAN),
        ];
        prop::collection::vec(number, 1..300)
    }

    /// The definition, step by step, on everything at once.
    fn reference(logits: &[f32], s: &Sampling, position: u64) -> Option<u32> {
        let mut all: Vec<(u32, f64)> = (0..)
            .zip(logits)
            .filter(|(_, l)| l.is_finite())
            .map(|(t, l)| (t, f64::from(*l)))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if s.top_k > 0 {
            all.truncate(s.top_k as usize);
        }
        let most = all.first()?.1;
        for one in &mut all {
            one.1 = ((one.1 - most) / f64::from(s.temperature)).exp();
        }
        let total: f64 = all.iter().map(|(_, w)| w).sum();
        let mut kept = Vec::new();
        let mut sum = 0.0;
        for (token, weight) in all {
            let cut = s.top_p < 1.0 && sum >= total * f64::from(s.top_p);
            if !kept.is_empty() && (cut || weight < f64::from(s.min_p)) {
                break;
            }
            sum += weight;
            kept.push((token, weight));
        }
        let target = crate::philox::uniform(s.seed, position) * sum;
        let mut passed = 0.0;
        for (token, weight) in &kept {
            passed += weight;
            if passed > target {
                return Some(*token);
            }
        }
        kept.last().map(|(token, _)| *token)
    }

    #[test]
    fn refuses_what_is_out_of_range() {
        let good = Sampling::default();
        let bad = |change: fn(&mut Sampling)| {
            let mut s = good.clone();
            change(&mut s);
            Sampler::new(s).unwrap_err().field
        };
        assert_eq!(bad(|s| s.temperature = -0.1), "temperature");
        assert_eq!(bad(|s| s.temperature = f32::NAN), "temperature");
        assert_eq!(bad(|s| s.top_p = 0.0), "top_p");
        assert_eq!(bad(|s| s.min_p = 1.1), "min_p");
        assert_eq!(bad(|s| s.repetition_penalty = 0.0), "repetition_penalty");
        assert_eq!(
            bad(|s| s.frequency_penalty = f32::INFINITY),
            "frequency_penalty"
        );
        assert_eq!(bad(|s| s.presence_penalty = 101.0), "presence_penalty");
        assert_eq!(bad(|s| s.logit_bias = vec![(1, f32::NAN)]), "logit_bias");
        assert_eq!(bad(|s| s.logit_bias = vec![(1, 0.0); 4097]), "logit_bias");
    }

    #[test]
    fn nothing_comes_of_nothing() {
        let mut s = sampler(Sampling {
            temperature: 1.0,
            ..Sampling::default()
        });
        assert_eq!(s.pick(&mut [], 0), None);
        assert_eq!(s.pick(&mut [f32::NAN], 0), None);
        assert_eq!(s.pick(&mut [f32::NAN, f32::INFINITY, 1.0], 0), Some(1));
    }

    #[test]
    fn penalties_by_hand() {
        let mut s = sampler(Sampling {
            repetition_penalty: 2.0,
            frequency_penalty: 0.25,
            presence_penalty: 0.5,
            logit_bias: vec![(0, 1.0), (9, 1.0)],
            ..Sampling::default()
        });
        for token in [1, 1, 2] {
            s.saw(token);
        }
        let mut logits = [1.0, 4.0, -1.0, 1.5];
        assert_eq!(s.pick(&mut logits, 0), Some(0));
        assert_eq!(logits, [2.0, 1.0, -2.75, 1.5]);
    }

    proptest! {
        #[test]
        fn is_its_definition(
            logits in logits(),
            temperature in 0.1_f32..3.0,
            top_k in 0_u32..20,
            top_p in prop_oneof![Just(1.0_f32), 0.05_f32..1.0],
            min_p in prop_oneof![Just(0.0_f32), 0.0_f32..0.5],
            seed: u64,
            position in 0_u64..1000,
        ) {
            let sampling = Sampling { temperature, top_k, top_p, min_p, seed, ..Sampling::default() };
            let expected = reference(&logits, &sampling, position);
            let mut s = sampler(sampling);
            let mut own = logits.clone();
            prop_assert_eq!(s.pick(&mut own, position), expected);
            prop_assert_eq!(s.pick(&mut own, position), expected);
        }

        #[test]
        fn off_changes_no_bit(logits in logits(), seen in prop::collection::vec(0_u32..300, 0..20)) {
            let mut s = sampler(Sampling::default());
            seen.iter().for_each(|token| s.saw(*token));
            let mut own = logits.clone();
            let picked = s.pick(&mut own, 3);
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&own), bits(&logits));
            let first_of_best = logits.iter().enumerate().filter(|(_, x)| !x.is_nan())
                .fold(None, |best: Option<(usize, f32)>, (i, x)| match best {
                    Some((_, most)) if most >= *x => best,
                    _ => Some((i, *x)),
                });
            let expected = first_of_best.and_then(|(i, _)| u32::try_from(i).ok());
            prop_assert_eq!(picked, expected);
        }

        #[test]
        fn one_candidate_is_the_best(logits in logits(), seed: u64) {
            let greedy = sampler(Sampling::default()).pick(&mut logits.clone(), 0);
            let one = Sampling { temperature: 1.0, top_k: 1, seed, ..Sampling::default() };
            if logits.iter().any(|x| x.is_finite()) {
                prop_assert_eq!(sampler(one).pick(&mut logits.clone(), 0), greedy);
            }
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let mut s = sampler(Sampling {
            temperature: 1.0,
            seed: 11,
            ..Sampling::default()
        });
        let logits = [3.0_f32.ln(), 0.0, f32::NEG_INFINITY];
        let mut counts = [0; 3];
        for position in 0..8000 {
            let token = s.pick(&mut logits.clone(), position).unwrap();
            counts[token as usize] += 1;
        }
        assert!((5800..6200).contains(&counts[0]), "{counts:?}");
        assert_eq!(counts[2], 0);
    }
}
