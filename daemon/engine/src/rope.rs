//! How positions turn heads: the frequencies of each kind of scaling.

use fak_gguf::{ModelConfig, RopeScaling, Yarn};
use fak_simd::rope_frequencies;

use crate::{arch::Arch, math::ln};

/// The turning of some layers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turn {
    /// Turns per position of each pair.
    pub(crate) frequencies: Vec<f64>,
    /// What sine and cosine are multiplied by.
    pub(crate) magnitude: f64,
}

/// Index of the turn that full layers make.
pub(crate) const FULL: usize = 0;
/// Index of the turn that sliding layers make.
pub(crate) const SLIDING: usize = 1;

/// The turns of full and of sliding layers.
pub(crate) fn turns(config: &ModelConfig, arch: &Arch, context: Option<u32>) -> Vec<Turn> {
    let rope = &config.rope;
    let dims = rope.dims as usize;
    let context = context.unwrap_or(config.context);
    let full = bent(config, arch, rope.theta, context);
    let theta = rope.theta_sliding.unwrap_or(rope.theta);
    let sliding = if arch.bent_sliding {
        bent(config, arch, theta, context)
    } else {
        Turn {
            frequencies: rope_frequencies(dims, theta),
            magnitude: 1.0,
        }
    };
    vec![full, sliding]
}

fn bent(config: &ModelConfig, arch: &Arch, theta: f64, context: u32) -> Turn {
    let dims = config.rope.dims as usize;
    let mut frequencies = rope_frequencies(dims, theta);
    let mut magnitude = 1.0;
    match &config.rope.scaling {
        RopeScaling::Linear { factor } => frequencies.iter_mut().for_each(|f| *f /= factor),
        RopeScaling::Llama3 {
            factor,
            low,
            high,
            original_context,
        } => {
            let original = f64::from(*original_context);
            for frequency in &mut frequencies {
                *frequency = llama3(*frequency, *factor, (*low, *high), original);
            }
        }
        RopeScaling::Yarn(yarn) => {
            yarn_ramp(&mut frequencies, yarn, theta, dims, arch.yarn_whole);
            magnitude = yarn
                .attention_factor
                .unwrap_or_else(|| magnitude_for(yarn.factor));
        }
        RopeScaling::Factors(factors) => divide(&mut frequencies, factors),
        RopeScaling::LongRope {
            short,
            long,
            original_context,
            attention_factor,
        } => {
            // One choice for every text a model runs: were it the text's own length, its first tokens would have to be
            // computed again when it grows.
            let longer = context > *original_context;
            divide(&mut frequencies, if longer { long } else { short });
            let factor = f64::from(config.context) / f64::from(*original_context);
            magnitude = attention_factor.unwrap_or_else(|| {
                if factor <= 1.0 {
                    1.0
                } else {
                    (1.0 + ln(factor) / ln(f64::from(*original_context))).sqrt()
                }
            });
        }
        _ => {}
    }
    Turn {
        frequencies,
        magnitude,
    }
}

fn divide(frequencies: &mut [f64], factors: &[f32]) {
    for (frequency, factor) in frequencies.iter_mut().zip(factors) {
        *frequency /= f64::from(*factor);
    }
}

/// Low frequencies are divided, high ones kept, those between blended by how many turns fit the original context.
fn llama3(frequency: f64, factor: f64, (low, high): (f64, f64), original: f64) -> f64 {
    let length = std::f64::consts::TAU / frequency;
    if length < original / high {
        frequency
    } else if length > original / low {
        frequency / factor
    } else {
        let smooth = (original / length - low) / (high - low);
        (1.0 - smooth) * frequency / factor + smooth * frequency
    }
}

fn magnitude_for(factor: f64) -> f64 {
    if factor <= 1.0 {
        1.0
    } else {
        0.1 * ln(factor) + 1.0
    }
}

/// YaRN: pairs that turn often within the original context are kept, those that hardly turn are divided, with a ramp
/// between.
fn yarn_ramp(frequencies: &mut [f64], yarn: &Yarn, theta: f64, dims: usize, whole: bool) {
    let original = f64::from(yarn.original_context);
    let bound = |rotations: f64| {
        dims as f64 * ln(original / (rotations * std::f64::consts::TAU)) / (2.0 * ln(theta))
    };
    let (mut low, mut high) = (bound(yarn.beta_fast), bound(yarn.beta_slow));
    if whole {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(dims as f64 - 1.0));
    if low >= high {
        high = low + 0.001;
    }
    for (index, frequency) in frequencies.iter_mut().enumerate() {
        let divided = ((index as f64 - low) / (high - low)).clamp(0.0, 1.0);
        *frequency = *frequency / yarn.factor * divided + *frequency * (1.0 - divided);
    }
}
