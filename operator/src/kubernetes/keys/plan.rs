//! The next writes, out of what the Secrets say. No I/O and no clock.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use k8s_openapi::api::core::v1::Secret;

use super::{
    KeyError, KeyEvent, KeyProblem, Part, RotationPhase, WantedKeys, Write,
    draft::Draft,
    rotation::{Authority, Step},
    secret::check_owner,
};

/// The longest that a look may be put off: what has to be done then may have been changed by hand.
const LOOK_WITHIN: Duration = Duration::from_secs(86_400);

/// What there is.
#[derive(Default)]
pub struct SeenKeys {
    /// The Secrets of [`WantedKeys::secret_names`] that exist, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// How long they have been like this, by a clock that nobody sets ([`super::Settling`]).
    pub unchanged_for: Duration,
}

/// Shows names, never content.
impl fmt::Debug for SeenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenKeys")
            .field("secrets", &self.secrets.keys())
            .field("unchanged_for", &self.unchanged_for)
            .finish()
    }
}

/// What to do.
#[derive(Debug)]
pub enum KeyPlan {
    /// Write these, in this order; stop at the first that fails, and look again in either case.
    Write(Vec<Planned>),
    /// Nothing, for now.
    Good(Keys),
}

/// A write, and what to tell people once it is done.
#[derive(Debug)]
pub struct Planned {
    /// The write.
    pub write: Write,
    /// What it means.
    pub event: KeyEvent,
}

/// The keys of a ChatCluster as they now are.
#[derive(Debug)]
pub struct Keys {
    /// The certificates of all CAs to trust, in PEM. Public.
    pub trust_bundle: String,
    /// Where a rotation of the CA stands.
    pub phase: RotationPhase,
    /// When to look again, at the latest.
    pub next_look: Duration,
    /// What was done this time, in this order.
    pub events: Vec<KeyEvent>,
    /// Secrets that a person has to put right. Everything else is good in spite of them.
    pub problems: Vec<KeyProblem>,
}

/// What to write, if anything. A step of a rotation is planned alone, and only when nothing else is left
/// to write.
pub fn plan(wanted: &WantedKeys, seen: &SeenKeys, now: SystemTime) -> Result<KeyPlan, KeyError> {
    let ca_name = Part::Ca.secret_name(&wanted.name);
    let make_error = |source| KeyError::Make {
        namespace: wanted.namespace.clone(),
        secret: ca_name.clone(),
        source,
    };
    let Some(ca_secret) = seen.secrets.get(&ca_name) else {
        let authority = Authority::new(wanted, now).map_err(make_error)?;
        let write = Write::Create(authority.write(wanted, None));
        return Ok(KeyPlan::Write(vec![Planned { write, event: KeyEvent::CaCreated }]));
    };
    check_owner(ca_secret, wanted)?;
    let authority = Authority::read(wanted, ca_secret)?;

    let mut draft = Draft {
        wanted,
        seen,
        now,
        ca: authority.current(),
        bundle: authority.bundle(),
        writes: Vec::new(),
        problems: Vec::new(),
        look_within: LOOK_WITHIN,
    };
    for part in wanted.parts() {
        match part {
            Part::Ca => {}
            Part::Role(role) => draft.role(role)?,
            Part::Server => draft.server(),
            Part::Jwt | Part::ServiceToken => draft.token_secret(part),
        }
    }
    // A server's certificate that nobody can replace would be refused when its CA goes.
    let held_up = draft.problem_with(&Part::Server.secret_name(&wanted.name));
    draft.users_secrets();
    let Draft { bundle: trust_bundle, writes, problems, look_within, .. } = draft;
    if !writes.is_empty() {
        return Ok(KeyPlan::Write(writes));
    }

    let phase = authority.phase();
    let wait = match authority.step(wanted, seen.unchanged_for, now).map_err(make_error)? {
        Step::Wait(wait) => wait,
        Step::Move(..) if held_up => LOOK_WITHIN,
        Step::Move(to, event) => {
            let write = Write::Replace(to.write(wanted, Some(ca_secret)));
            return Ok(KeyPlan::Write(vec![Planned { write, event }]));
        }
    };
    // Waits below a second come from roundings, and from clocks that were set back.
    let next_look = wait.min(look_within).max(Duration::from_secs(1));
    Ok(KeyPlan::Good(Keys { trust_bundle, phase, next_look, events: Vec::new(), problems }))
}
