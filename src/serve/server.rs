//! The server: a thread of its own, the loop that takes connections, and the handle that stops it.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout_at};

use crate::ask::Counter;
use crate::door::Door;
use crate::handle::{House, handle};
use crate::seats::{Phase, Seat, Seats, Ticket};
use crate::watched::Watched;
use crate::{Desk, Limits, ServeConfig, ServeError, Token};

/// More headers than any client of ours sends.
const HEADERS: usize = 64;
/// The head of a request, all in all.
const HEAD_BYTES: usize = 16 << 10;
/// Connections that the system holds until they are taken. Where it holds few, a flood costs a probe a second.
const BACKLOG: u32 = 4096;
/// How long to wait for file descriptors when there are none.
const BREATH: Duration = Duration::from_millis(50);
/// What somebody reads for whom there is no room.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 5\r\n\r\n";

/// The endpoint.
#[derive(Debug)]
pub struct Server;

/// A running server. Dropping it stops it at once.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    house: Arc<House>,
    /// How long requests under way may take; nothing while nobody wants it to stop.
    stop: watch::Sender<Option<Duration>>,
    /// Closed when the thread has ended.
    running: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and answers on a thread of its own from here on.
    pub fn bind(config: ServeConfig, desk: Arc<dyn Desk>) -> Result<ServerHandle, ServeError> {
        let door = Door::new(config.listen, config.token, &config.hosts)?;
        let limits = config.limits;
        let house = Arc::new(House {
            counter: Counter::new(desk, &limits),
            door: RwLock::new(Arc::new(door)),
            limits,
            pulse: config.pulse,
        });
        // Asking the desk may take its threads; nothing else here does.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(limits.asks.max(1))
            .thread_name("desk")
            .build()
            .map_err(ServeError::Thread)?;
        let wrong = |source| ServeError::Listen { listen: config.listen, source };
        let listener = {
            let _inside = runtime.enter();
            listen(config.listen).map_err(wrong)?
        };
        let address = listener.local_addr().map_err(wrong)?;
        let (stop, stopping) = watch::channel(None);
        let (ended, running) = watch::channel(());
        let shared = Arc::clone(&house);
        let thread = std::thread::Builder::new().name("serve".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, shared, stopping));
            // A question that hangs must not keep the process.
            runtime.shutdown_background();
            drop(ended);
        });
        let thread = Some(thread.map_err(ServeError::Thread)?);
        tracing::info!(%address, "listening");
        Ok(ServerHandle { address, house, stop, running, thread })
    }
}

impl ServerHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes another token and other hosts. Connections stay; what was refused leaves everything as it was.
    pub fn reload(&self, token: Option<Token>, hosts: &[String]) -> Result<(), ServeError> {
        let door = Door::new(self.address, token, hosts)?;
        *self.house.door.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(door);
        Ok(())
    }

    /// Waits until the server has ended; it does so by itself only by a fault.
    pub async fn ended(&self) {
        let mut running = self.running.clone();
        while running.changed().await.is_ok() {}
    }

    /// Takes no more connections, lets requests under way take so long, and ends.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        self.ended().await;
        if let Some(thread) = self.thread.take() {
            // It has nothing left to do but to end.
            _ = thread.join();
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stop.send_if_modified(|grace| grace.is_none() && grace.replace(Duration::ZERO).is_none());
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: a port that was ours a moment ago is ours again.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Takes connections until it is to stop, and ends those that are left.
async fn serve(listener: TcpListener, house: Arc<House>, mut stop: watch::Receiver<Option<Duration>>) {
    let seats = Seats::new(house.limits.connections);
    loop {
        tokio::select! {
            biased;
            _ = stop.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    welcome(stream, &house, &seats, &stop);
                    // Whoever made room leaves before the next one comes: there are never more than the seats.
                    yield_now().await;
                }
                Err(error) => hold(&error, &seats).await,
            },
        }
    }
    // Connections have heard of it, too: those that ask for nothing end by themselves.
    drop(listener);
    let grace = stop.borrow_and_update().unwrap_or_default();
    // Whoever drops the handle meanwhile does not shorten what was granted.
    _ = timeout_at(Instant::now() + grace, seats.emptied()).await;
}

/// Waits a little when the process has no file descriptors left, and gives some back. Other errors are those of a client
/// that went away before it came in.
async fn hold(error: &io::Error, seats: &Seats) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    ) {
        return;
    }
    tracing::warn!(%error, "cannot take a connection");
    seats.end_idle();
    sleep(BREATH).await;
}

fn welcome(stream: TcpStream, house: &Arc<House>, seats: &Arc<Seats>, stop: &watch::Receiver<Option<Duration>>) {
    if !seats.make_room() {
        // Without waiting: the system's buffer takes it, or nobody does.
        _ = stream.try_write(FULL);
        return;
    }
    seats.seat(|seat, ticket| {
        let talk = talk(stream, Arc::clone(house), seat, ticket, stop.clone());
        tokio::spawn(talk).abort_handle()
    });
}

/// Talks with one client to the end.
async fn talk(
    stream: TcpStream,
    house: Arc<House>,
    seat: Arc<Seat>,
    _ticket: Ticket,
    mut stop: watch::Receiver<Option<Duration>>,
) {
    let Ok(local) = stream.local_addr() else { return };
    _ = stream.set_nodelay(true);
    let Limits { head, write, .. } = house.limits;
    let service = service_fn(|request| {
        let (house, seat) = (Arc::clone(&house), Arc::clone(&seat));
        async move {
            seat.enter(Phase::Answering);
            let answer = handle(&house, local.ip(), request).await;
            seat.enter(Phase::Writing);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Watched::new(stream, Arc::clone(&seat), write)), service);
    let mut connection = pin!(connection);
    // An answer that is ready when it is to stop says that it is the last.
    let mut ended = tokio::select! {
        biased;
        _ = stop.changed() => None,
        ended = &mut connection => Some(ended),
    };
    if ended.is_none() && seat.is_quiet() {
        // Perhaps a request has come that nobody has looked at yet.
        ended = match poll_fn(|task| Poll::Ready(connection.as_mut().poll(task))).await {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        };
    }
    if ended.is_none() {
        if seat.is_quiet() {
            // Half a head is no request: waiting for the rest of it would hold the end for as long as a head may take.
            return;
        }
        connection.as_mut().graceful_shutdown();
        ended = Some(connection.await);
    }
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
