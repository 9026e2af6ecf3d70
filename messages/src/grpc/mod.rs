//! The gRPC interface, for gateways. Who may connect is decided by the listener it is given (mutual TLS,
//! role `gateway`); what may be asked is checked here, field by field ([`read`]).

mod read;
mod write;

use std::{error::Error, future::Future, io, sync::Arc, time::Duration};

use chatcluster_messages_api::v1::{
    AcknowledgeRequest, AcknowledgeResponse, AppendRequest, AppendResponse, HistoryRequest,
    HistoryResponse, MarkReadRequest, MarkReadResponse, PrivacyRequest, PrivacyResponse,
    ProbeRequest, ProbeResponse, ReadContactsRequest, ReadContactsResponse, ReadGroupRequest,
    ReadGroupResponse, ReadInboxRequest, ReadInboxResponse, ReadPrivacyRequest,
    ReadPrivacyResponse, ReadReceiptsRequest, ReadReceiptsResponse, RegisterRequest,
    RegisterResponse, RevocationsRequest, RevocationsResponse, RevokedDevice, SeenRequest,
    SeenResponse,
    messages_server::{Messages, MessagesServer},
};
use chatcluster_protocol::id::MessageId;
use chatcluster_runtime::backend::Call;
use messages_core::{
    key::Ids,
    repository::{
        InboxCursor, Query, Refused, Registered, Repository, RepositoryError, RevocationPage, Seen,
        stable_up_to,
    },
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, transport::Server, transport::server::Connected};

use crate::{Clock, Metrics, metrics::AppendOutcome};

/// Bodies in a page. Two frames of clients fit into it with room to spare, so that a gateway never
/// holds much for one session.
const PAGE_BYTES: usize = 128 * 1024;

/// Revocations in one answer.
const REVOCATIONS: usize = 1000;

/// Largest request: 256 appends whose bodies have 16 KiB on average.
const REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Calls of one gateway at a time. Further ones wait on the gateway's side, in HTTP/2's flow control.
const CALLS: u32 = 256;

/// Serves until the token is cancelled, then lets calls end.
///
/// # Errors
/// When the server could not be set up or the listener broke.
pub async fn serve<R: Repository, C>(
    connections: impl Stream<Item = io::Result<C>>,
    service: GrpcService<R>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let messages = MessagesServer::new(service).max_decoding_message_size(REQUEST_BYTES);
    Server::builder()
        .max_concurrent_streams(CALLS)
        .concurrency_limit_per_connection(CALLS as usize)
        .timeout(Duration::from_secs(20))
        // A gateway whose machine is gone says no goodbye.
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_service(messages)
        .serve_with_incoming_shutdown(connections, shutdown)
        .await?;
    Ok(())
}

/// The service behind the interface.
pub struct GrpcService<R> {
    repository: Arc<R>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl<R: Repository> GrpcService<R> {
    /// On a repository.
    pub fn new(repository: Arc<R>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { repository, clock, metrics }
    }

    fn count<T>(
        &self,
        call: &'static str,
        outcome: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let code = match &outcome {
            Ok(_) => tonic::Code::Ok,
            Err(status) => status.code(),
        };
        if matches!(code, tonic::Code::Internal | tonic::Code::InvalidArgument) {
            let text = outcome.as_ref().err().map(Status::message);
            tracing::warn!(call, ?code, text, "a call failed");
        }
        self.metrics.grpc.get_or_create(&Call { call, code: format!("{code:?}") }).inc();
        outcome.map(Response::new)
    }

    async fn append(&self, request: AppendRequest) -> Result<AppendResponse, Status> {
        let appends = read::appends(request)?;
        let outcomes = self.repository.append(appends).await;
        for outcome in &outcomes {
            let outcome = AppendOutcome { outcome: outcome_name(outcome) };
            self.metrics.appends.get_or_create(&outcome).inc();
        }
        Ok(AppendResponse { results: outcomes.into_iter().map(write::append_result).collect() })
    }

    async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse, Status> {
        let (user, device) = read::device(request.device, "device")?;
        match self.repository.register(user, device, request.issued).await {
            Ok(Registered { created, revoked_before }) => Ok(RegisterResponse {
                created,
                too_many_devices: false,
                revoked_before: revoked_before.unwrap_or_default(),
            }),
            Err(RepositoryError::TooManyDevices) => {
                Ok(RegisterResponse { too_many_devices: true, ..RegisterResponse::default() })
            }
            Err(error) => Err(status(error)),
        }
    }

    async fn seen(&self, request: SeenRequest) -> Result<SeenResponse, Status> {
        let devices = read::devices(request.devices)?;
        let seen = self.repository.seen(devices).await.map_err(status)?;
        let mut answer = SeenResponse::default();
        for (position, Seen { known, revoked_before }) in (0u32..).zip(seen) {
            match revoked_before {
                _ if !known => answer.unknown.push(position),
                Some(revoked_before) => {
                    answer.revoked.push(RevokedDevice { position, revoked_before });
                }
                None => {}
            }
        }
        Ok(answer)
    }

    async fn revocations(
        &self,
        request: RevocationsRequest,
    ) -> Result<RevocationsResponse, Status> {
        let (from, now) = (request.cursor.to_vec(), (self.clock)());
        let page = self.repository.revocations(from, REVOCATIONS, now).await;
        let RevocationPage { revocations, next, more } = page.map_err(status)?;
        let revocations = revocations.into_iter().map(write::revocation).collect();
        Ok(RevocationsResponse { revocations, next: next.into(), more })
    }

    async fn read_inbox(&self, request: ReadInboxRequest) -> Result<ReadInboxResponse, Status> {
        let (user, device) = read::device(request.device, "device")?;
        let from = match request.cursor.is_empty() {
            true => InboxCursor::Start,
            false => read::inbox_cursor(&request.cursor)?,
        };
        let limit = read::limit(request.limit, 100, 1000)?;
        let page = self.repository.inbox(user, device, from, limit, PAGE_BYTES).await;
        Ok(write::inbox(page.map_err(status)?))
    }

    async fn acknowledge(
        &self,
        request: AcknowledgeRequest,
    ) -> Result<AcknowledgeResponse, Status> {
        let acknowledgements = read::acknowledgements(request)?;
        let marks = self.repository.acknowledge(acknowledgements).await.map_err(status)?;
        self.metrics.receipts.inc_by(marks.len() as u64);
        Ok(AcknowledgeResponse { receipts: marks.into_iter().map(write::stored_receipt).collect() })
    }

    async fn mark_read(&self, request: MarkReadRequest) -> Result<MarkReadResponse, Status> {
        let marks = read::marks(request)?;
        let marked = self.repository.mark_read(marks).await.map_err(status)?;
        let receipts = marked.iter().flatten().map(|marked| marked.receipts.len() as u64);
        self.metrics.receipts.inc_by(receipts.sum());
        Ok(MarkReadResponse { results: marked.into_iter().map(write::marked).collect() })
    }

    async fn privacy(&self, request: PrivacyRequest) -> Result<PrivacyResponse, Status> {
        let read::Privacy { user, set } = read::privacy(request)?;
        let is = match set {
            Some((presence_to, stamp)) => {
                self.repository.set_privacy(user, presence_to, stamp).await
            }
            None => self.repository.privacy(user).await,
        };
        Ok(PrivacyResponse { presence_to: write::presence_to(is.map_err(status)?).into() })
    }

    async fn read_privacy(
        &self,
        request: ReadPrivacyRequest,
    ) -> Result<ReadPrivacyResponse, Status> {
        let users = read::users(request.users)?;
        let privacies = self.repository.privacies(users).await.map_err(status)?;
        let presence_to = privacies.into_iter().map(|to| write::presence_to(to).into()).collect();
        Ok(ReadPrivacyResponse { presence_to })
    }

    async fn read_contacts(
        &self,
        request: ReadContactsRequest,
    ) -> Result<ReadContactsResponse, Status> {
        let pairs = read::contacts(request.contacts)?;
        let contacts = self.repository.contacts(pairs).await.map_err(status)?;
        let positions = (0u32..).zip(contacts).filter_map(|(at, is)| is.then_some(at));
        Ok(ReadContactsResponse { contacts: positions.collect() })
    }

    async fn probe(&self, request: ProbeRequest) -> Result<ProbeResponse, Status> {
        let devices = read::devices(request.devices)?;
        let before = MessageId::floor((self.clock)().saturating_sub(request.older_than));
        let waiting = self.repository.waiting(devices, before).await.map_err(status)?;
        let positions = (0u32..).zip(waiting).filter_map(|(at, waits)| waits.then_some(at));
        Ok(ProbeResponse { waiting: positions.collect() })
    }

    async fn history(&self, request: HistoryRequest) -> Result<HistoryResponse, Status> {
        let read::History {
            user,
            conversation,
            of_peer,
            ids,
            direction,
            sender,
            content_type,
            limit,
        } = read::history(request)?;
        // The conversation with a peer is the user's own also while nothing has been said in it.
        let readable = match of_peer {
            true => Ids::ALL,
            false => {
                let readable = self.repository.readable(user, conversation).await;
                let none =
                    || Status::permission_denied("the user takes no part in the conversation");
                readable.map_err(status)?.ok_or_else(none)?
            }
        };
        let query = Query {
            user: None,
            conversation: Some(conversation),
            sender,
            content_type,
            ids: ids.within(readable),
            direction,
            limit,
            bytes: PAGE_BYTES,
        };
        let now = (self.clock)();
        let page = self.repository.query(query, now).await.map_err(status)?;
        Ok(write::history(page, stable_up_to(now)))
    }

    async fn read_group(&self, request: ReadGroupRequest) -> Result<ReadGroupResponse, Status> {
        let (user, group) = read::group(&request)?;
        let found = self.repository.group(user, group).await.map_err(status)?;
        let none = "there is no such group, or the user takes no part in it";
        found.as_ref().map(write::group).ok_or_else(|| Status::permission_denied(none))
    }

    async fn read_receipts(
        &self,
        request: ReadReceiptsRequest,
    ) -> Result<ReadReceiptsResponse, Status> {
        let (user, message) = read::receipts(&request)?;
        let found = self.repository.receipts(user, message).await.map_err(status)?;
        let none = "the user has sent no such message";
        found.map(write::receipts).ok_or_else(|| Status::permission_denied(none))
    }
}

fn outcome_name<T>(outcome: &Result<T, Refused>) -> &'static str {
    match outcome {
        Ok(_) => "stored",
        Err(Refused::OutOfOrder(_)) => "out_of_order",
        Err(Refused::TooOld) => "too_old",
        Err(Refused::TooNew) => "too_new",
        Err(Refused::ReferenceConflict) => "reference_conflict",
        Err(Refused::Forbidden(_)) => "forbidden",
        Err(Refused::GroupFull) => "group_full",
        Err(Refused::Unavailable(_)) => "unavailable",
    }
}

fn status(error: RepositoryError) -> Status {
    let text = error.to_string();
    match error {
        RepositoryError::TooManyDevices => Status::failed_precondition(text),
        RepositoryError::Busy | RepositoryError::Unavailable(_) => Status::unavailable(text),
        RepositoryError::Corrupt(_) => Status::internal(text),
    }
}

#[tonic::async_trait]
impl<R: Repository> Messages for GrpcService<R> {
    async fn append(
        &self,
        request: Request<AppendRequest>,
    ) -> Result<Response<AppendResponse>, Status> {
        let outcome = Self::append(self, request.into_inner()).await;
        self.count("Append", outcome)
    }

    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        let outcome = Self::register(self, request.into_inner()).await;
        self.count("Register", outcome)
    }

    async fn seen(&self, request: Request<SeenRequest>) -> Result<Response<SeenResponse>, Status> {
        let outcome = Self::seen(self, request.into_inner()).await;
        self.count("Seen", outcome)
    }

    async fn revocations(
        &self,
        request: Request<RevocationsRequest>,
    ) -> Result<Response<RevocationsResponse>, Status> {
        let outcome = Self::revocations(self, request.into_inner()).await;
        self.count("Revocations", outcome)
    }

    async fn read_inbox(
        &self,
        request: Request<ReadInboxRequest>,
    ) -> Result<Response<ReadInboxResponse>, Status> {
        let outcome = Self::read_inbox(self, request.into_inner()).await;
        self.count("ReadInbox", outcome)
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        let outcome = Self::acknowledge(self, request.into_inner()).await;
        self.count("Acknowledge", outcome)
    }

    async fn mark_read(
        &self,
        request: Request<MarkReadRequest>,
    ) -> Result<Response<MarkReadResponse>, Status> {
        let outcome = Self::mark_read(self, request.into_inner()).await;
        self.count("MarkRead", outcome)
    }

    async fn privacy(
        &self,
        request: Request<PrivacyRequest>,
    ) -> Result<Response<PrivacyResponse>, Status> {
        let outcome = Self::privacy(self, request.into_inner()).await;
        self.count("Privacy", outcome)
    }

    async fn read_privacy(
        &self,
        request: Request<ReadPrivacyRequest>,
    ) -> Result<Response<ReadPrivacyResponse>, Status> {
        let outcome = Self::read_privacy(self, request.into_inner()).await;
        self.count("ReadPrivacy", outcome)
    }

    async fn read_contacts(
        &self,
        request: Request<ReadContactsRequest>,
    ) -> Result<Response<ReadContactsResponse>, Status> {
        let outcome = Self::read_contacts(self, request.into_inner()).await;
        self.count("ReadContacts", outcome)
    }

    async fn probe(
        &self,
        request: Request<ProbeRequest>,
    ) -> Result<Response<ProbeResponse>, Status> {
        let outcome = Self::probe(self, request.into_inner()).await;
        self.count("Probe", outcome)
    }

    async fn history(
        &self,
        request: Request<HistoryRequest>,
    ) -> Result<Response<HistoryResponse>, Status> {
        let outcome = Self::history(self, request.into_inner()).await;
        self.count("History", outcome)
    }

    async fn read_group(
        &self,
        request: Request<ReadGroupRequest>,
    ) -> Result<Response<ReadGroupResponse>, Status> {
        let outcome = Self::read_group(self, request.into_inner()).await;
        self.count("ReadGroup", outcome)
    }

    async fn read_receipts(
        &self,
        request: Request<ReadReceiptsRequest>,
    ) -> Result<Response<ReadReceiptsResponse>, Status> {
        let outcome = Self::read_receipts(self, request.into_inner()).await;
        self.count("ReadReceipts", outcome)
    }
}
