//! Requests, checked: what of a request is unsound is told by field, kind and remedy.
//!
//! The form of the call itself (its tool, its session, its arguments) is the kernel's to judge, as a
//! verdict that is journaled. Here only what cannot even be put to the kernel is refused.

use fak_cache::{Call, Place};
use fak_proto::v1::AdjudicateRequest;
use fak_types::ToolCall;
use tonic::Status;

/// Longest directory a caller may claim, in bytes. LIMIT: the kernel's own bound on paths.
const DIRECTORY_BYTES_MAX: usize = 4096;

/// Longest call id, in bytes. LIMIT: it is echoed and journaled.
const CALL_ID_BYTES_MAX: usize = 128;

/// Longest witness of a call, in bytes. LIMIT: it is remembered with what is kept under it.
pub(crate) const WITNESS_BYTES_MAX: usize = fak_cache::WITNESS_BYTES_MAX;

/// One call as it was asked, in a form the kernel takes.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) tool: String,
    pub(crate) args: String,
    pub(crate) trace: String,
    pub(crate) call_id: String,
    pub(crate) witness: String,
    cwd: Option<String>,
    home: Option<String>,
}

impl Question {
    /// Takes a request; `place` names it within a batch or a stream, such as `calls[3].`.
    pub(crate) fn of(request: AdjudicateRequest, place: &str) -> Result<Self, Box<Status>> {
        let AdjudicateRequest {
            tool,
            args,
            trace_id,
            cwd,
            home,
            call_id,
            witness,
        } = request;
        let args = String::from_utf8(args).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            unsound(
                place,
                "args",
                &format!("is not UTF-8 at byte {at}"),
                "send JSON text in UTF-8",
            )
        })?;
        if call_id.len() > CALL_ID_BYTES_MAX {
            let problem = format!("has {} bytes", call_id.len());
            return Err(unsound(
                place,
                "call_id",
                &problem,
                "send at most 128 bytes",
            ));
        }
        if !witness_is_sound(&witness) {
            return Err(unsound(
                place,
                "witness",
                "is no witness",
                "send at most 256 bytes without control characters, or nothing",
            ));
        }
        let trace = if trace_id.is_empty() {
            mint_trace()?
        } else {
            trace_id
        };
        let cwd = directory(cwd, place, "cwd")?;
        let home = directory(home, place, "home")?;
        Ok(Self {
            tool,
            args,
            trace,
            call_id,
            witness,
            cwd,
            home,
        })
    }

    /// Where the call is made from.
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            cwd: self.cwd.as_deref(),
            home: self.home.as_deref(),
        }
    }

    /// By what its answer will be found to be its own.
    pub(crate) fn named(&self, row: u64) -> Call {
        Call {
            row,
            trace: self.trace.clone(),
            id: self.call_id.clone(),
        }
    }

    pub(crate) fn call(&self) -> ToolCall<'_> {
        ToolCall {
            tool: &self.tool,
            args: &self.args,
            trace: &self.trace,
            cwd: self.cwd.as_deref(),
            home: self.home.as_deref(),
        }
    }
}

/// Whether a text may be a witness, or none.
pub(crate) fn witness_is_sound(witness: &str) -> bool {
    witness.len() <= WITNESS_BYTES_MAX && !witness.chars().any(char::is_control)
}

fn unsound(place: &str, field: &str, problem: &str, remedy: &str) -> Box<Status> {
    Box::new(Status::invalid_argument(format!(
        "{place}{field}: {problem}; {remedy}"
    )))
}

fn directory(path: String, place: &str, field: &str) -> Result<Option<String>, Box<Status>> {
    let problem = if path.is_empty() {
        return Ok(None);
    } else if !path.starts_with('/') {
        "is not an absolute path"
    } else if path.len() > DIRECTORY_BYTES_MAX {
        "is longer than 4096 bytes"
    } else if path.chars().any(char::is_control) {
        "holds a control character"
    } else {
        return Ok(Some(path));
    };
    Err(unsound(
        place,
        field,
        problem,
        "send the caller's directory, or leave it out",
    ))
}

/// A session id that nobody has had.
pub(crate) fn mint_trace() -> Result<String, Box<Status>> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|_| {
        Box::new(Status::unavailable(
            "no random bytes for a trace id; send trace_id",
        ))
    })?;
    Ok(fak_kernel::mint_trace(u128::from_ne_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(request: AdjudicateRequest) -> String {
        Question::of(request, "calls[2].")
            .expect_err("unsound")
            .message()
            .to_owned()
    }

    #[test]
    fn what_is_unsound_is_told_by_field_kind_and_remedy() {
        let sound = AdjudicateRequest {
            tool: "Bash".into(),
            ..AdjudicateRequest::default()
        };
        assert_eq!(
            told(AdjudicateRequest {
                args: b"{\"a\":\"\xff\"}".to_vec(),
                ..sound.clone()
            }),
            "calls[2].args: is not UTF-8 at byte 6; send JSON text in UTF-8"
        );
        assert_eq!(
            told(AdjudicateRequest {
                cwd: "src".into(),
                ..sound.clone()
            }),
            "calls[2].cwd: is not an absolute path; send the caller's directory, or leave it out"
        );
        assert!(
            told(AdjudicateRequest {
                home: "/a\0".into(),
                ..sound.clone()
            })
            .contains("home: holds a")
        );
        assert!(
            told(AdjudicateRequest {
                cwd: format!("/{}", "a".repeat(5000)),
                ..sound.clone()
            })
            .contains("longer than 4096")
        );
        for witness in ["w".repeat(257), "a\nb".into()] {
            let refused = told(AdjudicateRequest {
                witness,
                ..sound.clone()
            });
            assert!(refused.starts_with("calls[2].witness: is no witness; send"));
        }
        assert!(
            told(AdjudicateRequest {
                call_id: "c".repeat(129),
                ..sound
            })
            .contains("call_id: has 129 bytes")
        );
    }

    #[test]
    fn a_session_without_a_name_gets_one_of_its_own() {
        let trace = || {
            Question::of(AdjudicateRequest::default(), "")
                .expect("sound")
                .trace
        };
        let (one, other) = (trace(), trace());
        assert_ne!(one, other);
        assert!(one.starts_with("t-"));
    }
}
