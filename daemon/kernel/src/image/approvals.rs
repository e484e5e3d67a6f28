//! Approvals as bytes.

use fak_types::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    approval::{Approval, ApprovalState, AskedCall},
};

#[derive(Serialize, Deserialize)]
pub(super) struct ApprovalImage {
    id: String,
    state: String,
    /// Principal, session, tool, profile, what else it is bound to.
    call: [String; 5],
    args: [u8; 32],
    /// The rule, its reason, its words, who decided, why.
    words: [String; 5],
    claims: Vec<String>,
    asked_us: u64,
    expires_us: u64,
    lasts_us: u64,
}

impl ApprovalImage {
    pub(super) fn of(approval: &Approval) -> Self {
        let call = approval.call.clone();
        Self {
            id: approval.id.to_string(),
            state: approval.state.as_str().to_owned(),
            call: [
                call.principal,
                call.trace,
                call.tool,
                call.profile,
                call.bound,
            ],
            args: call.args.0,
            words: [
                approval.by.clone(),
                approval.reason.clone(),
                approval.detail.clone(),
                approval.decided_by.clone(),
                approval.why.clone(),
            ],
            claims: approval.claims.clone(),
            asked_us: approval.asked.0,
            expires_us: approval.expires.0,
            lasts_us: approval.lasts_us,
        }
    }

    pub(super) fn into_approval(self) -> Option<Approval> {
        let [principal, trace, tool, profile, bound] = self.call;
        let [by, reason, detail, decided_by, why] = self.words;
        Some(Approval {
            id: self.id.into(),
            state: ApprovalState::parse(&self.state)?,
            call: AskedCall {
                principal,
                trace,
                tool,
                args: Digest(self.args),
                profile,
                bound,
            },
            by,
            reason,
            detail,
            claims: self.claims,
            asked: Timestamp(self.asked_us),
            expires: Timestamp(self.expires_us),
            decided_by,
            why,
            lasts_us: self.lasts_us,
        })
    }
}
