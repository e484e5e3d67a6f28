//! What must hold of the numbers of a model, whoever said them.

use super::{ConfigError, ModelConfig, RopeScaling};

/// LIMIT: Layers of a model.
pub const LAYERS_MAX: u32 = 1024;
/// LIMIT: Any width or count of a model: a row is never longer than this.
const WIDTH_MAX: u32 = 1 << 20;
/// LIMIT: Tokens of a vocabulary.
const VOCAB_MAX: u32 = 1 << 24;
/// LIMIT: Tokens of a context.
const CONTEXT_MAX: u32 = 1 << 28;

impl ModelConfig {
    /// The configuration, if its numbers go together.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        let heads = self.heads;
        let sizes = [
            ("layers", self.layers, LAYERS_MAX),
            ("hidden size", self.hidden, WIDTH_MAX),
            ("vocabulary", self.vocab, VOCAB_MAX),
            ("context length", self.context, CONTEXT_MAX),
            ("query heads", heads.query, WIDTH_MAX),
            ("key heads", heads.kv, WIDTH_MAX),
            ("head size", heads.key_dim, WIDTH_MAX),
            ("value size", heads.value_dim, WIDTH_MAX),
            ("feed-forward size", self.ffn, WIDTH_MAX),
            ("rotated dimensions", self.rope.dims, heads.key_dim),
            (
                "window",
                self.sliding.as_ref().map_or(1, |s| s.window),
                CONTEXT_MAX,
            ),
        ];
        for (name, size, most) in sizes {
            if size == 0 || size > most {
                return Err(ConfigError::wrong(
                    name,
                    "at least 1 and not absurdly large",
                ));
            }
        }
        if !heads.query.is_multiple_of(heads.kv) {
            return Err(ConfigError::Contradiction(
                "query heads are no multiple of the key heads",
            ));
        }
        if heads
            .query
            .checked_mul(heads.key_dim)
            .is_none_or(|width| width > WIDTH_MAX)
        {
            return Err(ConfigError::wrong("query heads", "heads that fit a row"));
        }
        if !self.rope.dims.is_multiple_of(2) {
            return Err(ConfigError::Contradiction(
                "an odd number of dimensions is rotated",
            ));
        }
        self.floats()?;
        self.tokens_exist()?;
        self.experts_exist()?;
        Ok(self)
    }

    fn floats(&self) -> Result<(), ConfigError> {
        let scales = &self.scales;
        let mut positive = vec![
            ("rope base", self.rope.theta),
            (
                "rope base of sliding layers",
                self.rope.theta_sliding.unwrap_or(1.0),
            ),
            ("norm epsilon", self.norm.eps),
            ("embedding scale", scales.embedding),
            ("residual scale", scales.residual),
            ("attention scale", scales.attention),
            ("logit scale", scales.logit),
            ("attention soft cap", scales.attention_cap.unwrap_or(1.0)),
            ("logit soft cap", scales.logit_cap.unwrap_or(1.0)),
        ];
        let factors = usize::try_from(self.rope.dims / 2).unwrap_or(usize::MAX);
        match &self.rope.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => positive.push(("rope factor", *factor)),
            RopeScaling::Yarn(yarn) => positive.extend([
                ("rope factor", yarn.factor),
                ("beta_fast", yarn.beta_fast),
                ("beta_slow", yarn.beta_slow),
                ("rope original context", yarn.original_context.into()),
                (
                    "rope attention factor",
                    yarn.attention_factor.unwrap_or(1.0),
                ),
            ]),
            RopeScaling::Llama3 {
                factor,
                low,
                high,
                original_context,
            } => positive.extend([
                ("rope factor", *factor),
                ("low_freq_factor", *low),
                ("high_freq_factor minus low_freq_factor", high - low),
                ("rope original context", (*original_context).into()),
            ]),
            RopeScaling::Factors(all) => lists(&[all], factors)?,
            RopeScaling::LongRope { short, long, .. } => lists(&[short, long], factors)?,
        }
        match positive.iter().find(|(_, x)| !(x.is_finite() && *x > 0.0)) {
            Some((name, _)) => Err(ConfigError::wrong(name, "a finite number above zero")),
            None => Ok(()),
        }
    }

    fn tokens_exist(&self) -> Result<(), ConfigError> {
        let tokens = &self.tokens;
        let mut named = tokens.eos.iter().chain(&tokens.bos).chain(&tokens.pad);
        if named.any(|&token| token >= self.vocab) {
            return Err(ConfigError::Contradiction(
                "a special token is not in the vocabulary",
            ));
        }
        Ok(())
    }

    fn experts_exist(&self) -> Result<(), ConfigError> {
        let Some(experts) = self.experts else {
            return Ok(());
        };
        let fits = |width: u32| width > 0 && width <= WIDTH_MAX;
        let used = experts.used > 0 && experts.used <= experts.count;
        if !used || !fits(experts.count) || !fits(experts.ffn) {
            return Err(ConfigError::Contradiction(
                "the numbers of experts do not go together",
            ));
        }
        Ok(())
    }
}

fn lists(lists: &[&Vec<f32>], len: usize) -> Result<(), ConfigError> {
    for list in lists {
        if list.len() != len {
            return Err(ConfigError::Contradiction(
                "there is not one rope factor for every two rotated dimensions",
            ));
        }
        if list.iter().any(|x| !(x.is_finite() && *x > 0.0)) {
            return Err(ConfigError::wrong(
                "rope factors",
                "finite numbers above zero",
            ));
        }
    }
    Ok(())
}
