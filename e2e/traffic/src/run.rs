//! A run from its start to its report: all connect, all send, what was sent arrives.

use std::{convert::Infallible, time::Duration};

use anyhow::{Context, Result, bail};
use chatcluster_client::{Client, Config, Trust, protocol::id::UserId};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    args::Args,
    book::Book,
    report::Report,
    say,
    token::Mint,
    user::{self, Pace},
};

/// Between two looks at the book: short beside everything that is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// After everything has arrived: what comes twice would come about now.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// For the clients' goodbyes.
const GOODBYE: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: Args) -> Result<Report> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let users = usize::from(args.users).next_multiple_of(2);
    let book = Book::new(users);
    let names = names(users)?;
    let clients = connect(&args, &names, &book)?;
    tokio::select! {
        connected = all_ready(users, &book, *args.start) => connected?,
        () = stop.cancelled() => bail!("stopped before the traffic began"),
    }
    say(format_args!("{users} users are connected"));

    let progress = tokio::spawn(tell(book.clone()));
    let senders = send(&args, &names, &clients, &stop, &book).await;
    say("nothing more is sent; waiting for what was");
    let settled = timeout(*args.settle, settled(&book)).await;
    progress.abort();
    if settled.is_err() {
        say(format_args!("not everything was answered and shown within {:?}", *args.settle));
    }
    let report = book.with(|oracle, now| oracle.report(now));
    // Senders that wait for an answer would keep their clients.
    drop(senders);
    let goodbyes = clients.into_iter().map(Client::close);
    // Who does not get away is cut off by the end of the process.
    let _ = timeout(GOODBYE, futures_util::future::join_all(goodbyes)).await;
    Ok(report)
}

/// New users in each run: what an earlier one left in its inboxes is not ours.
fn names(users: usize) -> Result<Vec<UserId>> {
    let run = Uuid::new_v4().simple().to_string();
    let names = (0..users).map(|user| format!("traffic-{}-{user}", &run[..8]).parse());
    names.collect::<Result<_, _>>().context("name the users")
}

/// The one that a user talks to: 0 with 1, 2 with 3.
fn partner(user: usize) -> usize {
    user ^ 1
}

fn connect(args: &Args, names: &[UserId], book: &Book) -> Result<Vec<Client>> {
    let mint = Mint { key: args.jwt_key.clone(), audience: args.audience.clone() };
    let connect = |(user, name): (usize, &UserId)| -> Result<Client> {
        let mut urls = args.url.clone();
        urls.rotate_left(user % args.url.len());
        let mut config = Config::new(urls, "traffic".parse()?, mint.source(name));
        config.trust = Trust::CaFile(args.ca.clone());
        let (client, events) = Client::connect(config)?;
        tokio::spawn(user::receive(user, partner(user), events, book.clone()));
        Ok(client)
    };
    names.iter().enumerate().map(connect).collect()
}

async fn all_ready(users: usize, book: &Book, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let (ready, stopped, last) = book.with(|oracle, _| {
            let last = oracle.counts().last_disconnect.clone();
            (oracle.users_ready(), oracle.first_stopped().map(str::to_owned), last)
        });
        if let Some(why) = stopped {
            bail!("a user cannot connect: {why}");
        }
        if ready == users {
            return Ok(());
        }
        if Instant::now() > deadline {
            let last = last.unwrap_or("nothing was heard".into());
            bail!("{ready} of {users} users have connected within {limit:?}; last trouble: {last}");
        }
        sleep(LOOK).await;
    }
}

/// Has all users send until their count, the duration or `stop`. What comes back waits for answers.
async fn send(
    args: &Args,
    names: &[UserId],
    clients: &[Client],
    stop: &CancellationToken,
    book: &Book,
) -> JoinSet<()> {
    let users = clients.len() as u32;
    let every = Duration::from_secs(1) * users / args.rate;
    // The users take turns, so that the rate is even.
    let start = Instant::now();
    let turn = |user: u32| start + every * user / users;
    let share = |user: u32| match args.count {
        Some(count) => count / users + u32::from(user < count % users),
        None => u32::MAX,
    };
    // Nothing is ever sent on it: it ends when the last sender has let go of it.
    let (sending, mut all_sent) = mpsc::channel::<Infallible>(1);
    let mut senders = JoinSet::new();
    for (user, client) in clients.iter().enumerate() {
        let number = user as u32;
        let pace = Pace { first: turn(number), every, count: share(number) };
        let to = names[partner(user)].clone();
        let end = (stop.clone(), sending.clone());
        senders.spawn(user::send((user, to), client.clone(), pace, end, book.clone()));
    }
    drop(sending);
    let limit = args.duration.map_or(Duration::MAX, |duration| *duration);
    if timeout(limit, all_sent.recv()).await.is_err() {
        stop.cancel();
        all_sent.recv().await;
    }
    senders
}

async fn settled(book: &Book) {
    while !book.with(|oracle, _| oracle.is_settled()) {
        sleep(LOOK).await;
    }
    sleep(AFTERWARDS).await;
}

/// A line every second.
async fn tell(book: Book) {
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        say(book.with(|oracle, now| format!("{:4} s  {}", now.as_secs(), oracle.counts())));
    }
}

/// As the first process of a container: without a handler SIGTERM would do nothing at all.
fn stop_on_signal(stop: CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
