//! A runtime of the store's own: SDKs are asynchronous, reading evidence is not.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;

use tokio::runtime::Builder;
use tokio::task::JoinError;

/// Threads that drive requests; whoever waits for one may stand inside another runtime, or in none.
#[derive(Debug)]
pub(crate) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Starts the threads.
    pub(crate) fn start() -> std::io::Result<Self> {
        let threads = Builder::new_multi_thread().worker_threads(2).thread_name("evidenced-store").enable_all().build();
        Ok(Self(Some(threads?)))
    }

    /// Drives a future to its end from a synchronous caller.
    pub(crate) fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        park_until(self.run(future))
    }

    /// Drives a future to its end from any other runtime.
    pub(crate) fn run<T, F>(&self, future: F) -> impl Future<Output = T> + Send + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let task = self.0.as_ref().map(|threads| threads.spawn(future));
        async {
            match task {
                Some(task) => task.await.unwrap_or_else(|error| died(error)),
                // Only while it is dropped, when nobody can call any more.
                None => std::future::pending().await,
            }
        }
    }

    /// Drives a future whose end nobody waits for.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(threads) = &self.0 {
            threads.spawn(future);
        }
    }
}

impl Drop for Runtime {
    /// Waits for nobody: it may be dropped inside a runtime, where waiting is forbidden.
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

fn died(error: JoinError) -> ! {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("a request was given up while somebody waited for it: {error}"),
    }
}

/// Parks this thread until the future is done.
pub(crate) fn park_until<F: Future>(future: F) -> F::Output {
    // A task of the runtime around us may have used up its turn; that must not hold us up.
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_waited_for_anywhere() {
        let runtime = Arc::new(Runtime::start().unwrap());
        let one = |runtime: &Runtime| runtime.wait(async { tokio::task::yield_now().await });
        one(&runtime);
        let outer = Builder::new_current_thread().build().unwrap();
        outer.block_on(async {
            // More often than a task may ask in one turn.
            (0..1000).for_each(|_| one(&runtime));
            let inner = Arc::clone(&runtime);
            tokio::task::spawn_blocking(move || one(&inner)).await.unwrap();
            runtime.run(async {}).await;
            drop(runtime);
        });
    }
}
