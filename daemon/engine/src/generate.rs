//! One sequence from a prompt to its end.

use crate::{
    batch::{Row, Sequence},
    error::ForwardError,
    forward::Runner,
    kv::{KvFull, KvPages, PageList},
    model::Model,
    sample::Sampler,
};

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Tokens to run first; at least one.
    pub prompt: &'a [u32],
    /// Tokens that end the answer. They are part of it.
    pub stop: &'a [u32],
    /// LIMIT: tokens of the answer.
    pub tokens_max: usize,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// By a token that ends it.
    Stop,
    /// It is as long as it may be.
    Length,
    /// The text is as long as the model's context.
    Context,
    /// The caller wanted no more.
    Caller,
}

/// An answer that did not come about. The pages hold what was run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// There is nothing to go on from.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The model gave no number.
    #[error("no logit is a number")]
    NoLogits,
    /// No page is left.
    #[error(transparent)]
    Full(#[from] KvFull),
    /// A pass that failed.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// Keys and values of one sequence and where they lie.
#[derive(Debug)]
pub struct Text<'a> {
    /// The memory.
    pub pages: &'a mut KvPages,
    /// The sequence's part of it; tokens it already has come before the prompt.
    pub list: &'a mut PageList,
}

impl Runner {
    /// Runs the prompt behind what the text already has, then token after token until something ends it. `each` is told
    /// every token as soon as it is chosen; `false` ends the answer. The last token is chosen but not run.
    ///
    /// The answer is a function of the model, the tokens, and the sampler's settings and history.
    ///
    /// # Errors
    /// When the prompt is empty or does not fit, or memory runs out. The text then has the tokens that were run.
    pub fn generate(
        &mut self,
        model: &Model,
        text: Text<'_>,
        request: &Request<'_>,
        sampler: &mut Sampler,
        each: &mut dyn FnMut(u32) -> bool,
    ) -> Result<Finish, GenerateError> {
        let Text { pages, list } = text;
        let context = model.config.context as usize;
        let (last, before) = request
            .prompt
            .split_last()
            .ok_or(GenerateError::EmptyPrompt)?;
        request.prompt.iter().for_each(|token| sampler.saw(*token));
        for chunk in before.chunks(model.rows_max) {
            self.step(model, (&mut *pages, &mut *list), chunk, false)?;
        }
        let mut token = *last;
        let mut made = 0;
        loop {
            if made >= request.tokens_max {
                return Ok(Finish::Length);
            }
            if list.len() >= context && made > 0 {
                return Ok(Finish::Context);
            }
            self.step(model, (&mut *pages, &mut *list), &[token], true)?;
            let position = list.len() as u64;
            token = sampler
                .pick(self.logits(), position)
                .ok_or(GenerateError::NoLogits)?;
            sampler.saw(token);
            made += 1;
            if !each(token) {
                return Ok(Finish::Caller);
            }
            if request.stop.contains(&token) {
                return Ok(Finish::Stop);
            }
        }
    }

    /// Runs tokens of one sequence.
    fn step(
        &mut self,
        model: &Model,
        (pages, list): (&mut KvPages, &mut PageList),
        tokens: &[u32],
        logits: bool,
    ) -> Result<(), GenerateError> {
        let before = list.len();
        let first = u32::try_from(before).unwrap_or(u32::MAX);
        let rows: Vec<Row> = (first..)
            .zip(tokens)
            .map(|(position, &token)| Row {
                token,
                position,
                logits,
            })
            .collect();
        let mut run = || -> Result<(), GenerateError> {
            list.extend(pages, tokens.len())?;
            let batch = [Sequence {
                views: list.views(),
                rows: &rows,
            }];
            self.forward(model, pages, &batch, &mut |_, _| true)?;
            Ok(())
        };
        let done = run();
        if done.is_err() {
            list.truncate(pages, before);
        }
        done
    }
}
