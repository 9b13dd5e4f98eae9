//! Sending events in the background, with patience and an end to it.

use std::sync::Arc;
use std::time::Duration;

use evidenced_model::Clock;
use reqwest::StatusCode;
use tokio::sync::mpsc;

use crate::event::Event;
use crate::target::Target;

/// Events that wait; beyond, the newest is dropped with a loud word.
const QUEUE: usize = 256;
/// How often an event is tried.
const TRIES: u32 = 6;
/// The wait before the second try; each later one is four times as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest that one try may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What became of an event at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Ok,
    /// It was given up.
    Failed,
}

/// Sends events to targets. Needs a tokio runtime with time and network.
pub struct Teller {
    queues: Vec<(Arc<Target>, mpsc::Sender<Arc<Event>>)>,
}

impl Teller {
    /// For these targets; `count` hears what became of each event. Without targets it does nothing at all.
    pub fn start(
        targets: Vec<Target>,
        clock: &Arc<dyn Clock>,
        count: impl Fn(&str, Sent) + Send + Sync + Clone + 'static,
    ) -> Self {
        if targets.is_empty() {
            return Self { queues: Vec::new() };
        }
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // What is told is not told to whoever somebody points at.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("evidenced/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "nobody can be told of changes");
                return Self { queues: Vec::new() };
            }
        };
        let queues = targets.into_iter().map(|target| {
            let target = Arc::new(target);
            let (sender, receiver) = mpsc::channel(QUEUE);
            tokio::spawn(work(Arc::clone(&target), receiver, client.clone(), Arc::clone(clock), count.clone()));
            (target, sender)
        });
        Self { queues: queues.collect() }
    }

    /// Tells whoever wants to know. Never waits.
    pub fn tell(&self, event: Event) {
        let event = Arc::new(event);
        for (target, queue) in &self.queues {
            if target.wants(&event) && queue.try_send(Arc::clone(&event)).is_err() {
                tracing::error!(target = target.name(), "too much waits to be told; an event is dropped");
            }
        }
    }
}

async fn work(
    target: Arc<Target>,
    mut events: mpsc::Receiver<Arc<Event>>,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    count: impl Fn(&str, Sent),
) {
    while let Some(event) = events.recv().await {
        let body = target.body(&event);
        let mut wait = FIRST_WAIT;
        let mut sent = Sent::Failed;
        for left in (0..TRIES).rev() {
            match attempt(&target, &body, &client, &*clock).await {
                Ok(()) => {
                    sent = Sent::Ok;
                    break;
                }
                Err((again, reason)) => {
                    if left == 0 || !again {
                        tracing::error!(target = target.name(), reason, "an event could not be told; it is given up");
                        break;
                    }
                    tracing::info!(target = target.name(), reason, "an event could not be told; it is tried again");
                }
            }
            tokio::time::sleep(wait.mul_f32(fastrand::f32().mul_add(0.5, 0.75))).await;
            wait *= 4;
        }
        count(target.name(), sent);
    }
}

/// One try. An error says whether another may help, and why this one did not; never the address.
async fn attempt(
    target: &Target,
    body: &[u8],
    client: &reqwest::Client,
    clock: &dyn Clock,
) -> Result<(), (bool, String)> {
    let mut request = client.post(target.url().clone()).header("content-type", "application/json").body(body.to_vec());
    if let Some(signature) = target.signature(body, clock.now()) {
        request = request.header("evidenced-signature", signature);
    }
    let answer = request.send().await.map_err(|error| (true, cause(&error.without_url())))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => Err((true, status.to_string())),
        status => Err((status.is_server_error(), status.to_string())),
    }
}

/// An error with what caused it.
fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
