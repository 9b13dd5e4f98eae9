//! A key in a service, driven by a thread of its own, so that signing is a plain call wherever it is made.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use evidenced_seal::{KeyError, PublicKey, Signer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::KeyUri;

/// The longest that one signature may take, retries included.
const PATIENCE: Duration = Duration::from_mins(1);

/// A key service, for one key.
pub(crate) trait Service {
    /// The key's public side, in DER.
    fn public_key(&mut self) -> impl Future<Output = Result<Vec<u8>, KeyError>>;

    /// The signature over the message, in DER.
    fn sign(&self, message: &[u8]) -> impl Future<Output = Result<Vec<u8>, KeyError>>;
}

/// Errors of one key.
#[derive(Debug, Clone)]
pub(crate) struct Named(String);

impl Named {
    #[expect(clippy::needless_pass_by_value, reason = "a text, or an error that ends here")]
    pub(crate) fn away(&self, reason: impl ToString) -> KeyError {
        KeyError::Away { key: self.0.clone(), reason: reason.to_string() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "a text, or an error that ends here")]
    pub(crate) fn refused(&self, reason: impl ToString) -> KeyError {
        KeyError::Refused { key: self.0.clone(), reason: reason.to_string() }
    }
}

/// A message that is to be signed, and where the signature goes.
struct Job {
    message: Vec<u8>,
    reply: SyncSender<Result<Vec<u8>, KeyError>>,
}

struct Remote {
    home: &'static str,
    jobs: UnboundedSender<Job>,
    name: Named,
    public: PublicKey,
}

/// Connects to a service and asks it for the key's public side. While it is away, a public side that is known from
/// before will do: then each signature tries to connect first, and another key by then is refused.
pub(crate) fn start<S: Service>(
    uri: &KeyUri,
    known: Option<PublicKey>,
    connect: impl AsyncFn(Named) -> Result<S, KeyError> + Send + 'static,
) -> Result<Arc<dyn Signer>, KeyError> {
    let name = Named(uri.to_string());
    let (jobs, inbox) = unbounded_channel();
    let (opened, ready) = sync_channel(1);
    let thread = std::thread::Builder::new().name("key service".to_owned());
    let named = name.clone();
    let started = thread.spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(named.away(error)))),
        };
        runtime.block_on(async {
            let (service, public) = match (patiently(&named, connected(&named, &connect)).await, known) {
                (Ok((service, public)), _) => (Some(service), public),
                (Err(KeyError::Away { reason, .. }), Some(known)) => {
                    tracing::warn!(
                        key = named.0,
                        reason,
                        "the key service is away; its public key is known from before"
                    );
                    (None, known)
                }
                (Err(error), _) => return drop(opened.send(Err(error))),
            };
            drop(opened.send(Ok(public.clone())));
            serve(&named, service, &connect, &public, inbox).await;
        });
    });
    started.map_err(|error| name.away(error))?;
    let public = ready.recv().map_err(|_| name.away("its thread ended"))??;
    Ok(Arc::new(Remote { home: uri.home(), jobs, name, public }))
}

/// A service, and the public side of its key.
async fn connected<S: Service>(
    name: &Named,
    connect: &impl AsyncFn(Named) -> Result<S, KeyError>,
) -> Result<(S, PublicKey), KeyError> {
    let mut service = connect(name.clone()).await?;
    let der = service.public_key().await?;
    // Another curve or algorithm has other DER.
    let public = PublicKey::from_der(&der, &name.0)
        .map_err(|_| name.refused("it is not a P-256 key for signing (ECC_NIST_P256, EC P-256)"))?;
    Ok((service, public))
}

/// Signs until nobody is left who could ask.
async fn serve<S: Service>(
    name: &Named,
    mut service: Option<S>,
    connect: &impl AsyncFn(Named) -> Result<S, KeyError>,
    public: &PublicKey,
    mut inbox: UnboundedReceiver<Job>,
) {
    while let Some(Job { message, reply }) = inbox.recv().await {
        let signing = async {
            let connected = match service.take() {
                Some(service) => service,
                None => match connected(name, connect).await? {
                    (service, now) if now == *public => service,
                    (_, now) => {
                        let (old, now) = (public.id(), now.id());
                        return Err(
                            name.refused(format!("its key was {old} and is {now}; see `evidenced keys rotate`"))
                        );
                    }
                },
            };
            service.insert(connected).sign(&message).await
        };
        // Whoever asked may have given up.
        let _ = reply.send(patiently(name, signing).await);
    }
}

async fn patiently<T>(name: &Named, future: impl Future<Output = Result<T, KeyError>>) -> Result<T, KeyError> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => Err(name.away(format!("it did not answer within {} s", PATIENCE.as_secs()))),
    }
}

impl Signer for Remote {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let gone = || self.name.away("its thread ended");
        let (reply, answer) = sync_channel(1);
        self.jobs.send(Job { message: message.to_vec(), reply }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    fn home(&self) -> &'static str {
        self.home
    }

    fn name(&self) -> String {
        self.name.0.clone()
    }
}
