//! Asking the desk: what may wait for a disk or a store waits elsewhere, a few at once, and harms nobody by hanging.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Semaphore;

use crate::problem::Problem;
use crate::{Desk, DeskError, Limits};

/// The way to the desk.
pub(crate) struct Counter {
    desk: Arc<dyn Desk>,
    /// Those who are served or wait.
    queue: Semaphore,
    /// Those who are served. A question that hangs keeps its place until it ends, whether or not somebody still waits.
    places: Arc<Semaphore>,
}

impl Counter {
    pub(crate) fn new(desk: Arc<dyn Desk>, limits: &Limits) -> Self {
        let places = limits.asks.max(1);
        Self { desk, queue: Semaphore::new(places + limits.waiting), places: Arc::new(Semaphore::new(places)) }
    }

    /// Asks what the desk answers from memory.
    pub(crate) fn at_once<T>(&self, question: impl FnOnce(&dyn Desk) -> T) -> Result<T, Problem> {
        catch_unwind(AssertUnwindSafe(|| question(&*self.desk))).map_err(|_| Problem::fault())
    }

    /// Asks what may take its time.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Desk) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::away("Too many questions at once; ask again soon.");
        let _queued = self.queue.try_acquire().map_err(|_| busy())?;
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| busy())?;
        let desk = Arc::clone(&self.desk);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&*desk);
            drop(place);
            answer
        });
        match answer.await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(_) => Err(Problem::fault()),
        }
    }

    /// Asks what may take its time, and writes the answer down as JSON there, too.
    pub(crate) async fn ask_json<T: Serialize>(
        &self,
        question: impl FnOnce(&dyn Desk) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<Vec<u8>, Problem> {
        let json = self.ask(move |desk| question(desk).map(|answer| serde_json::to_vec(&answer))).await?;
        json.map_err(|_| Problem::fault())
    }
}
