//! How many may take part in a group, how many one change may name, and how long a group's name may be.

use serde_json::{Value, json};

use super::{Mistakes, text_of};
use crate::{client::Client, mistakes::row::Limit};

impl Mistakes<'_> {
    /// The documented change of a group, with another group and change in it.
    fn change(&self, group: u64, number: u64, change: &Value) -> Value {
        let mut send = self.group_change();
        send["ref"] = format!("change-{number}").into();
        send["to"]["group"] = format!("0f0f0f0f-1e1e-4d2d-8c3c-{group:012x}").into();
        send["content"]["body"] = change.to_string().into();
        send
    }

    /// A change of a group, as the document shows the first one.
    pub(crate) fn group_change(&self) -> Value {
        let frames = self.world.document.conversation.iter();
        let mut sends = frames.filter(|frame| frame.whole.pointer("/to/group").is_some());
        let change = sends.find(|frame| frame.kind() == "send");
        change.expect("the document shows how a group is made").whole.clone()
    }

    async fn owner(&self, user: &str, group: u64) -> Result<Client, String> {
        let mut client = self.world.session(0, user, "phone").await?;
        let create = json!({"create": {"name": "x"}});
        self.taken(&mut client, &self.change(group, 0, &create)).await?;
        Ok(client)
    }

    pub(super) async fn members_of_a_group(&self, limit: &Limit) -> Result<(), String> {
        let mut owner = self.owner("group-members", 1).await?;
        let others: Vec<_> = (1..limit.number(0)?).map(|n| format!("member-{n}")).collect();
        for (number, users) in (1u64..).zip(others.chunks(100)) {
            self.taken(&mut owner, &self.change(1, number, &json!({"add": users}))).await?;
        }
        let one_more = self.change(1, 100, &json!({"add": ["one-more"]}));
        self.beyond(&mut owner, limit, &one_more, None).await
    }

    pub(super) async fn users_in_one_change(&self, limit: &Limit) -> Result<(), String> {
        let (least, most) = (limit.number(0)?, limit.number(1)?);
        let mut owner = self.owner("group-users", 2).await?;
        let add = |count: u64| {
            let users: Vec<_> = (0..count).map(|n| format!("user-{n}")).collect();
            self.change(2, count + 1, &json!({"add": users}))
        };
        for count in [least, most] {
            self.taken(&mut owner, &add(count)).await?;
        }
        let twice = self.change(2, 1000, &json!({"add": ["bob", "bob"]}));
        for wrong in [add(least - 1), add(most + 1), twice] {
            self.beyond(&mut owner, limit, &wrong, Some("content.body.add")).await?;
        }
        Ok(())
    }

    pub(super) async fn name_of_a_group(&self, limit: &Limit) -> Result<(), String> {
        let (least, most) = (limit.number(0)?, limit.number(1)?);
        let mut owner = self.owner("group-name", 3).await?;
        let rename = |name: &str| self.change(3, name.len() as u64 + 1, &json!({"rename": name}));
        for length in [least, most] {
            self.taken(&mut owner, &rename(&text_of(length))).await?;
        }
        for wrong in [text_of(least - 1), text_of(most + 1), "a\nb".into()] {
            let field = Some("content.body.rename");
            self.beyond(&mut owner, limit, &rename(&wrong), field).await?;
        }
        Ok(())
    }
}
