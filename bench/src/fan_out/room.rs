//! A group and its members, connected to the gateway.

use anyhow::Result;
use chatcluster_protocol::{
    client::{Body, Content, ContentType, GroupChange, GroupCreation, GroupName, Recipient},
    id::{GroupId, UserId},
    limits::GROUP_USERS,
};
use futures_util::future::{try_join, try_join_all};
use uuid::Uuid;

use super::DEPTH;
use crate::{
    deadline::within,
    server::user,
    session::{Session, is_sent, is_text},
    wire,
};

/// What is said; with what is around it, a delivery has about [`super::plain::FRAME`] bytes.
const TEXT: &str = "Shall we meet at noon?";

pub(super) struct Room {
    group: Recipient,
    text: Content,
    sender: Session,
    others: Vec<Session>,
}

impl Room {
    /// Connects so many users; the first makes a group of them.
    pub(super) async fn open(port: u16, size: usize) -> Result<Self> {
        let opening = wire::open_all(1..size, async |user| Session::open(port, user, None).await);
        let others = within(super::WINDOW, "connecting a group's members", opening).await?;
        let group = GroupId::from_random(Uuid::new_v4().into_bytes());
        let mut room = Self {
            group: Recipient::Group(group),
            text: Content::text(TEXT)?,
            sender: Session::open(port, 0, None).await?,
            others,
        };
        within(super::WINDOW, "making a group", room.create(size)).await?;
        Ok(room)
    }

    async fn create(&mut self, size: usize) -> Result<()> {
        let users: Vec<UserId> = (1..size).map(|i| Ok(user(i).parse()?)).collect::<Result<_>>()?;
        let mut parts = users.chunks(GROUP_USERS).map(<[UserId]>::to_vec);
        let name = GroupName::new("bench")?;
        let members = parts.next().unwrap_or_default();
        self.change(&GroupChange::Create(GroupCreation { name, members })).await?;
        for more in parts {
            self.change(&GroupChange::Add(more)).await?;
        }
        Ok(())
    }

    async fn change(&mut self, change: &GroupChange) -> Result<()> {
        let kind = ContentType::new(GroupChange::TYPE)?;
        let content = Content { kind, body: Body::new(serde_json::to_string(change)?)? };
        self.sender.send(&self.group, &content, 1).await?;
        self.sender.take(1, is_sent).await
    }

    /// [`DEPTH`] messages, until they are stored and everybody has them.
    pub(super) async fn window(&mut self) -> Result<()> {
        let Self { group, text, sender, others } = self;
        let send = async {
            sender.send(group, text, DEPTH).await?;
            sender.take(DEPTH, is_sent).await
        };
        let receive = try_join_all(others.iter_mut().map(|member| member.take(DEPTH, is_text)));
        try_join(send, receive).await?;
        Ok(())
    }
}
