//! What outsiders are told: requests to a notary, its refusals to statuses.

use fak_proto::v1;
use tonic::Status;

use crate::port::{Notary, Refusal};

/// Longest reason for a new key. LIMIT: a longer one is refused.
pub(crate) const REASON_BYTES_MAX: usize = 512;

pub(crate) async fn checkpoint(
    notary: &impl Notary,
    request: v1::CheckpointRequest,
) -> Result<v1::CheckpointResponse, Status> {
    let signed = notary.checkpoint(request.size).await.map_err(status)?;
    Ok(v1::CheckpointResponse {
        note: signed.note,
        key: signed.key,
    })
}

pub(crate) async fn prove(
    notary: &impl Notary,
    request: v1::ProveRequest,
) -> Result<v1::ProveResponse, Status> {
    if request.seq == 0 {
        return Err(Status::invalid_argument(
            "seq: is 0; rows are counted from 1",
        ));
    }
    let proof = notary
        .prove(request.seq, request.size)
        .await
        .map_err(status)?;
    Ok(v1::ProveResponse { proof })
}

pub(crate) async fn prove_consistency(
    notary: &impl Notary,
    request: v1::ProveConsistencyRequest,
) -> Result<v1::ProveConsistencyResponse, Status> {
    let v1::ProveConsistencyRequest { old_size, new_size } = request;
    let proof = notary
        .prove_growth(old_size, new_size)
        .await
        .map_err(status)?;
    Ok(v1::ProveConsistencyResponse { proof })
}

pub(crate) async fn witness(
    notary: &impl Notary,
    who: &str,
    request: v1::WitnessRequest,
) -> Result<v1::WitnessResponse, Status> {
    let v1::WitnessRequest { proof, log_key } = request;
    let signed = notary
        .witness(who, &proof, &log_key)
        .await
        .map_err(status)?;
    Ok(v1::WitnessResponse {
        line: signed.note,
        key: signed.key,
    })
}

pub(crate) async fn rotate_key(
    notary: &impl Notary,
    who: &str,
    request: v1::RotateKeyRequest,
) -> Result<v1::RotateKeyResponse, Status> {
    let reason = request.reason;
    if !(1..=REASON_BYTES_MAX).contains(&reason.len()) {
        let text = format!(
            "reason: is {} bytes long; say why in 1 to {REASON_BYTES_MAX}",
            reason.len()
        );
        return Err(Status::invalid_argument(text));
    }
    let signed = notary.rotate_key(who, &reason).await.map_err(status)?;
    Ok(v1::RotateKeyResponse {
        note: signed.note,
        key: signed.key,
    })
}

fn status(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Invalid(why) => Status::invalid_argument(why),
        Refusal::Missing(why) => Status::not_found(why),
        Refusal::Conflict(why) => Status::failed_precondition(why),
        Refusal::Unavailable(why) => Status::unavailable(why),
    }
}
