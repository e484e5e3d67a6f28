//! The state as bytes, so that a start folds only the rows after them.
//!
//! An image is a cache of the fold and never the truth: a kernel that cannot read one starts from nothing and replays
//! the journal from its first row, to the same state.

mod approvals;
mod steered;

use std::{collections::HashMap, fmt, sync::Arc};

use fak_chain::digest_bytes;
use fak_types::{Reason, Taint};
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    emergency::Emergency,
    kernel::{Kernel, Limits},
    limit::{Limit, Measure, Together},
    meter::{Entry, Key, Meter, MeterId, Owners},
    session::{RunState, Session, Viewer},
};

use approvals::ApprovalImage;
use steered::{LostImage, SteeringImage, TermsImage};

/// What every image begins with; another layout gets another number and is then read as no image at all.
const MAGIC: &[u8] = b"fak-kernel/v4\n";

/// The bytes are not an image this build wrote whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError(pub(crate) &'static str);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a kernel image: {}; replay the journal from its first row",
            self.0
        )
    }
}

impl std::error::Error for RestoreError {}

#[derive(Serialize, Deserialize)]
struct Image {
    generation: u64,
    /// Least recent first, so that putting them back in order restores the order.
    sessions: Vec<SessionImage>,
    principals: Vec<String>,
    in_force: Vec<ProfileImage>,
    retired: Vec<ProfileImage>,
    emergency: Option<EmergencyImage>,
    /// Seal and witness, the oldest first.
    clearances: Vec<(String, String)>,
    terms: Vec<TermsImage>,
    lost: LostImage,
    /// The oldest first.
    approvals: Vec<ApprovalImage>,
}

#[derive(Serialize, Deserialize)]
struct EmergencyImage {
    reason: String,
    who: String,
    begun_us: u64,
    until_us: u64,
    uses: u64,
}

#[derive(Serialize, Deserialize)]
struct SessionImage {
    trace: String,
    principal: String,
    run: String,
    counts: [u64; 5],
    taint: String,
    first_us: u64,
    last_us: u64,
    last_reason: String,
    rev: u64,
    profile: String,
    steering: Option<SteeringImage>,
}

#[derive(Serialize, Deserialize)]
struct ProfileImage {
    name: String,
    limits: Vec<String>,
    meters: Vec<MeterImage>,
}

#[derive(Serialize, Deserialize)]
struct MeterImage {
    measure: String,
    together: String,
    window: Option<(u64, u64)>,
    epoch: u64,
    young: Vec<EntryImage>,
    old: Vec<EntryImage>,
}

/// Key, index of the principal that pays for it, value.
type EntryImage = ([u8; 16], u32, u64);

impl Kernel {
    /// The state as bytes. Equal states give equal bytes.
    ///
    /// Costs time and memory in proportion to the state: take it from a kernel nobody waits for, for example one that
    /// replays behind the journal's head.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(&self.image()).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&digest_bytes(&body).0);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The kernel a snapshot was taken of, under bounds that may have changed since: fewer sessions may be kept, no
    /// spent quota is forgotten.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not a whole image of this layout.
    pub fn restore(limits: Limits, bytes: &[u8]) -> Result<Self, RestoreError> {
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(RestoreError("another layout"))?;
        let (digest, body) = rest
            .split_first_chunk::<32>()
            .ok_or(RestoreError("cut short"))?;
        if digest_bytes(body).0 != *digest {
            return Err(RestoreError("the digest differs"));
        }
        let (image, rest): (Image, _) =
            postcard::take_from_bytes(body).map_err(|_| RestoreError("undecodable"))?;
        if !rest.is_empty() {
            return Err(RestoreError("trailing bytes"));
        }
        Self::of_image(limits, image).ok_or(RestoreError("unknown words"))
    }

    fn image(&self) -> Image {
        let mut names = Names::default();
        let in_force = self
            .quotas
            .profiles
            .iter()
            .map(|(name, profile)| ProfileImage {
                name: name.to_string(),
                limits: profile.limits.iter().map(|l| l.limit.to_string()).collect(),
                meters: names.meters(&self.quotas.owners, &profile.meters),
            })
            .collect();
        let retired = self
            .quotas
            .retired
            .iter()
            .map(|(name, meters)| ProfileImage {
                name: name.to_string(),
                limits: Vec::new(),
                meters: names.meters(&self.quotas.owners, meters),
            })
            .collect();
        let mut sessions: Vec<_> = self
            .sessions
            .newest(Viewer::All)
            .map(SessionImage::of)
            .collect();
        sessions.reverse();
        Image {
            generation: self.generation,
            sessions,
            principals: names.list,
            in_force,
            retired,
            emergency: self.emergency.as_ref().map(EmergencyImage::of),
            clearances: self.clearances.pairs(),
            terms: steered::terms(&self.sessions),
            lost: LostImage::of(&self.sessions.lost),
            approvals: self.approvals.oldest().map(ApprovalImage::of).collect(),
        }
    }

    fn of_image(limits: Limits, image: Image) -> Option<Self> {
        let mut kernel = Self::new(limits);
        kernel.generation = image.generation;
        for (seal, who) in image.clearances {
            kernel.clearances.add(&seal, &who);
        }
        kernel.emergency = image.emergency.map(EmergencyImage::into_emergency);
        steered::into_terms(image.terms, &mut kernel.sessions);
        kernel.sessions.lost = image.lost.into_lost()?;
        for approval in image.approvals {
            kernel.approvals.put(approval.into_approval()?);
        }
        for session in image.sessions {
            kernel.sessions.restore(session.into_session()?);
        }
        let quotas = &mut kernel.quotas;
        for profile in image.in_force {
            let name: Arc<str> = profile.name.into();
            let meters = to_meters(profile.meters, &image.principals, &mut quotas.owners)?;
            // Adding a limit looks for its table among the retired ones.
            quotas.retired.insert(Arc::clone(&name), meters);
            for limit in profile.limits {
                quotas.add(&name, Limit::parse(&limit)?);
            }
        }
        quotas.retired.clear();
        for profile in image.retired {
            let meters = to_meters(profile.meters, &image.principals, &mut quotas.owners)?;
            quotas.retired.insert(profile.name.into(), meters);
        }
        Some(kernel)
    }
}

impl EmergencyImage {
    fn of(emergency: &Emergency) -> Self {
        Self {
            reason: emergency.reason.to_string(),
            who: emergency.who.to_string(),
            begun_us: emergency.begun.0,
            until_us: emergency.until.0,
            uses: emergency.uses,
        }
    }

    fn into_emergency(self) -> Emergency {
        Emergency {
            reason: self.reason.into(),
            who: self.who.into(),
            begun: Timestamp(self.begun_us),
            until: Timestamp(self.until_us),
            uses: self.uses,
        }
    }
}

impl SessionImage {
    fn of(session: &Session) -> Self {
        Self {
            trace: session.trace.to_string(),
            principal: session.principal.to_string(),
            run: session.run.as_str().to_owned(),
            counts: [
                session.calls,
                session.allowed,
                session.denied,
                session.results,
                session.sealed,
            ],
            taint: session.taint.as_str().to_owned(),
            first_us: session.first.0,
            last_us: session.last.0,
            last_reason: session.last_reason.as_str().to_owned(),
            rev: session.rev,
            profile: session.profile.to_string(),
            steering: session.steering.as_deref().map(SteeringImage::of),
        }
    }

    fn into_session(self) -> Option<Session> {
        let [calls, allowed, denied, results, sealed] = self.counts;
        Some(Session {
            trace: self.trace.into(),
            principal: self.principal.into(),
            run: RunState::parse(&self.run)?,
            calls,
            allowed,
            denied,
            results,
            sealed,
            taint: Taint::parse(&self.taint)?,
            first: Timestamp(self.first_us),
            last: Timestamp(self.last_us),
            last_reason: Reason::parse(&self.last_reason)?,
            rev: self.rev,
            profile: self.profile.into(),
            steering: self
                .steering
                .map(|steering| Box::new(steering.into_steering())),
        })
    }
}

/// Principals' names, each once, by number.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    numbers: HashMap<usize, u32>,
}

impl Names {
    fn meters(&mut self, owners: &Owners, meters: &[Meter]) -> Vec<MeterImage> {
        // In one order before principals get their numbers: tables of equal states may stand in any.
        let mut sorted: Vec<_> = meters.iter().collect();
        sorted.sort_by_key(|meter| meter.id);
        sorted
            .into_iter()
            .map(|meter| MeterImage {
                measure: meter.id.measure.as_str().to_owned(),
                together: meter.id.together.as_str().to_owned(),
                window: meter.id.window,
                epoch: meter.epoch,
                young: self.entries(owners, &meter.young),
                old: self.entries(owners, &meter.old),
            })
            .collect()
    }

    fn entries(&mut self, owners: &Owners, entries: &HashMap<Key, Entry>) -> Vec<EntryImage> {
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by_key(|(key, _)| **key);
        sorted
            .into_iter()
            .map(|(key, entry)| {
                (
                    key.to_be_bytes(),
                    self.number(owners, entry.owner),
                    entry.value,
                )
            })
            .collect()
    }

    fn number(&mut self, owners: &Owners, owner: usize) -> u32 {
        *self.numbers.entry(owner).or_insert_with(|| {
            self.list.push(owners.name(owner).to_owned());
            u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

fn to_meters(
    images: Vec<MeterImage>,
    principals: &[String],
    owners: &mut Owners,
) -> Option<Vec<Meter>> {
    images
        .into_iter()
        .map(|image| {
            let mut meter = Meter::new(MeterId {
                measure: Measure::parse(&image.measure)?,
                together: Together::parse(&image.together)?,
                window: image.window,
            });
            meter.epoch = image.epoch;
            meter.young = to_entries(image.young, principals, owners)?;
            meter.old = to_entries(image.old, principals, owners)?;
            Some(meter)
        })
        .collect()
}

fn to_entries(
    images: Vec<EntryImage>,
    principals: &[String],
    owners: &mut Owners,
) -> Option<HashMap<Key, Entry>> {
    images
        .into_iter()
        .map(|(key, principal, value)| {
            let name = principals.get(usize::try_from(principal).ok()?)?;
            let owner = owners.claim_anyway(name);
            Some((Key::from_be_bytes(key), Entry { owner, value }))
        })
        .collect()
}
