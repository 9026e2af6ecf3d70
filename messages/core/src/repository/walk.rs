//! Reading a range to its end.

use super::Quorum;
use crate::{
    key,
    merge::Page,
    replica::{Replica, ReplicaError},
    view::Scan,
};

/// A range that is read page by page; what changes behind the walk is not seen.
pub(super) struct Walk(Option<Scan>);

impl Walk {
    /// A page has at most the rows and bytes of `scan`.
    pub(super) fn new(scan: Scan) -> Self {
        Self(Some(scan))
    }

    /// The next page, which may be empty; `None` behind the last.
    pub(super) async fn next<R: Replica>(
        &mut self,
        quorum: &Quorum<R>,
    ) -> Result<Option<Page>, ReplicaError> {
        let Some(scan) = &mut self.0 else { return Ok(None) };
        let page = quorum.read(vec![scan.clone()]).await?.pop().unwrap_or_default();
        match &page.ended_at {
            Some(end) => scan.from = key::behind(end),
            None => self.0 = None,
        }
        Ok(Some(page))
    }
}
