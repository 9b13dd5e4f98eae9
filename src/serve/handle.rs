//! One request: through the doors, to the desk, and back with an answer.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use prometheus_client::encoding::prometheus_text;
use tokio::time::timeout;

use crate::answer::{Answer, dress, json, with_body};
use crate::ask::Counter;
use crate::door::Door;
use crate::pages;
use crate::problem::Problem;
use crate::query::{self, Query};
use crate::route::{LONGEST_TARGET, Route};
use crate::{Desk, DeskError, Limits, OPENAPI, Pulse, StartRequest};

/// The longest name of a schedule that is looked for.
const LONGEST_NAME: usize = 128;

/// What every request shares.
pub(crate) struct House {
    pub(crate) counter: Counter,
    pub(crate) door: RwLock<Arc<Door>>,
    pub(crate) limits: Limits,
    pub(crate) pulse: Option<(Arc<Pulse>, Duration)>,
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Answers one request, in time. `local` is the address that its connection came in at.
pub(crate) async fn handle(house: &House, local: IpAddr, request: Request<Incoming>) -> Answer {
    let answer = match timeout(house.limits.request, admit(house, local, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Problem::away("This took too long; ask again, or for less.")),
    };
    dress(answer.unwrap_or_else(Problem::into_answer))
}

/// Lets a request through the doors, in this order: its size, its host, off loopback its token, its path, its method.
async fn admit(house: &House, local: IpAddr, request: Request<Incoming>) -> Result<Answer, Problem> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path.len() + head.uri.query().map_or(0, str::len) > LONGEST_TARGET {
        let detail = format!("The address is longer than {LONGEST_TARGET} bytes.");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, detail));
    }
    let door = Arc::clone(&house.door.read().unwrap_or_else(PoisonError::into_inner));
    let route = Route::of(path);
    let open = route.is_some_and(|(route, _)| route.is_open());
    let host = door.host(&head.headers, &head.uri, local, open)?;
    if door.is_guarded() && !open {
        door.token(&head.headers)?;
    }
    let (route, segment) =
        route.ok_or_else(|| Problem::missing("There is nothing at this address; see /api/v1/openapi.json."))?;
    if !route.allows(&head.method) {
        return Err(Problem::method(route.allowed()));
    }
    if head.method == Method::POST {
        Door::origin(&head.headers, &host)?;
        door.token(&head.headers)?;
        return start(house, &head.headers, body).await;
    }
    answer(house, route, segment, head.uri.query()).await
}

async fn answer(house: &House, route: Route, segment: &str, query: Option<&str>) -> Result<Answer, Problem> {
    let counter = &house.counter;
    let found = match route {
        Route::Live => return live(house),
        Route::Ready => {
            let readiness = counter.at_once(Desk::readiness)?;
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            return Ok(json(status, serde_json::to_vec(&readiness).map_err(|_| Problem::fault())?));
        }
        Route::Metrics => {
            let metrics = counter.at_once(Desk::metrics)?;
            return Ok(with_body(StatusCode::OK, prometheus_text::CONTENT_TYPE, metrics));
        }
        Route::OpenApi => return Ok(json(StatusCode::OK, OPENAPI)),
        Route::Page(page) => return pages::answer(counter, page, segment, query).await,
        Route::Status => {
            Query::parse(query)?.finish()?;
            let status = counter.at_once(Desk::status)?;
            serde_json::to_vec(&*status).map_err(|_| Problem::fault())?
        }
        Route::Runs => {
            let mut query = Query::parse(query)?;
            let page = query.page()?;
            query.finish()?;
            counter.ask_json(move |desk| desk.runs(page)).await?
        }
        Route::Run => {
            let run = query::run(segment)?;
            Query::parse(query)?.finish()?;
            let missing = move || DeskError::Missing(format!("The log names no run {run}."));
            counter.ask_json(move |desk| desk.run(run)?.ok_or_else(missing)).await?
        }
        Route::Controls => {
            let mut query = Query::parse(query)?;
            let catalog = query.catalog()?;
            query.finish()?;
            counter.ask_json(move |desk| desk.controls(catalog.as_ref())).await?
        }
        Route::Control => {
            let control = query::control(segment)?;
            let mut query = Query::parse(query)?;
            let catalog = query.catalog()?;
            query.finish()?;
            counter
                .ask_json(move |desk| {
                    let found = desk.control(&control, catalog.as_ref())?;
                    if !found.controls.is_empty() {
                        return Ok(found);
                    }
                    Err(DeskError::Missing(match (&found.run, catalog) {
                        (None, _) => "There is no run yet, so no control stands anywhere.".to_owned(),
                        (_, Some(catalog)) => {
                            format!("Catalogue {catalog} has no control {control}, or is not enabled.")
                        }
                        (_, None) => format!("No enabled catalogue has a control {control}."),
                    }))
                })
                .await?
        }
        Route::Findings => {
            let mut query = Query::parse(query)?;
            let wanted = query.findings()?;
            query.finish()?;
            counter.ask_json(move |desk| desk.findings(&wanted)).await?
        }
    };
    Ok(json(StatusCode::OK, found))
}

fn live(house: &House) -> Result<Answer, Problem> {
    match &house.pulse {
        Some((pulse, most)) if pulse.silent_for() > *most => {
            Err(Problem::away(format!("No sign of life for {} seconds.", pulse.silent_for().as_secs())))
        }
        _ => Ok(with_body(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")),
    }
}

/// Asks for a run.
async fn start(house: &House, headers: &HeaderMap, body: Incoming) -> Result<Answer, Problem> {
    let limit = house.limits.body;
    let body = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("The body is longer than {limit} bytes.");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        Err(_) => return Err(Problem::wrong("The body broke off.")),
    };
    let request = wish(headers, &body)?;
    let started = house.counter.ask_json(move |desk| desk.start(request)).await?;
    Ok(json(StatusCode::ACCEPTED, started))
}

/// What a body asks for; an empty one asks for everything.
fn wish(headers: &HeaderMap, body: &Bytes) -> Result<StartRequest, Problem> {
    if body.is_empty() {
        return Ok(StartRequest::default());
    }
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body has to be application/json."));
    }
    // By way of a map: serde would take a list for an object, too.
    let wish = serde_json::from_slice::<serde_json::Map<_, _>>(body)
        .and_then(|map| serde_json::from_value::<StartRequest>(serde_json::Value::Object(map)))
        .map_err(|_| {
            Problem::wrong("The body has to be a JSON object with no other member than `schedule`, a text or null.")
        })?;
    let fits =
        |name: &String| (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if wish.schedule.as_ref().is_some_and(|name| !fits(name)) {
        return Err(Problem::wrong(format!("schedule: the name of a schedule, of 1 to {LONGEST_NAME} characters.")));
    }
    Ok(wish)
}
