//! The pages for people: what the desk says, in the templates of the report.

mod live;

use std::sync::Arc;

use evidenced_model::{CatalogId, ControlId, Finding, RunId};
use evidenced_report::period::Period;
use evidenced_report::{Filter, FindingPage, FindingsPage, Live, Report, Served, ServedPage, serve};
use http::header::{CONTENT_SECURITY_POLICY, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::answer::{Answer, with_body};
use crate::ask::Counter;
use crate::problem::Problem;
use crate::query::{self, Query};
use crate::route::Page;
use crate::{Desk, DeskError, FindingKey, FindingsQuery};

/// Findings of a page.
const FINDINGS: usize = 50;
const HTML: &str = "text/html; charset=utf-8";

/// What a page is to show, asked for and understood.
enum Wish {
    Plain(Page),
    Control(CatalogId, ControlId),
    Findings(FindingsQuery, Box<Filter>),
    Finding(FindingKey),
}

/// What the desk said.
enum Found {
    Plain(Page),
    Control(CatalogId, ControlId),
    Findings(Box<FindingsPage>),
    Finding(Box<FindingPage>),
}

/// A page as it is now. What cannot be had leaves a note on it; what was asked for wrongly is a page that says so.
pub(crate) async fn answer(
    counter: &Counter,
    page: Page,
    segment: &str,
    query: Option<&str>,
) -> Result<Answer, Problem> {
    let (readiness, status) = counter.at_once(|desk| (desk.readiness(), desk.status()))?;
    let live = live::live(&readiness, &status);
    let wish = match wish(page, segment, query) {
        Ok(wish) => wish,
        Err(problem) => return refused(live, &problem).await,
    };
    let found = counter.ask(move |desk| find(desk, wish, live)).await;
    let (found, live, report, period) = match found {
        Ok(found) => found,
        Err(problem) => {
            let mut live = live::live(&readiness, &status);
            if page != Page::Overview {
                return refused(live, &problem).await;
            }
            // The first page says how the daemon is, whatever else cannot be had.
            live.away = Some(problem.detail().to_owned());
            (Found::Plain(page), live, None, None)
        }
    };
    // Many controls take their time to be written, too.
    let served = tokio::task::spawn_blocking(move || {
        let page = match &found {
            Found::Plain(page) => plain(*page),
            Found::Control(catalog, control) => ServedPage::Control(catalog, control),
            Found::Findings(page) => ServedPage::Findings(page),
            Found::Finding(page) => ServedPage::Finding(page),
        };
        let served = serve(page, &live, report.as_deref(), period.as_deref());
        served.map(|served| served.ok_or_else(|| Box::new(live)))
    });
    match served.await.map_err(|_| Problem::fault())?.map_err(broken)? {
        Ok(served) => dressed(StatusCode::OK, served),
        Err(live) => refused(*live, &Problem::missing("No enabled catalogue has this control.")).await,
    }
}

fn wish(page: Page, segment: &str, query: Option<&str>) -> Result<Wish, Problem> {
    // The first page is fetched again by its script, and linked from elsewhere: whatever hangs on it is passed over.
    if page == Page::Overview {
        return Ok(Wish::Plain(page));
    }
    let mut query = Query::parse(query)?.filled();
    let wish = match page {
        Page::Findings => {
            let filter = Filter {
                verdict: query.peek("verdict"),
                severity: query.peek("severity"),
                provider: query.peek("provider"),
                account: query.peek("account"),
                check: query.peek("check"),
                resource: query.peek("resource"),
                control: query.peek("control"),
                catalog: query.peek("catalog"),
                run: query.peek("run"),
            };
            query = query.anywhere("resource");
            Wish::Findings(query.findings_by(FINDINGS)?, Box::new(filter))
        }
        Page::Finding => Wish::Finding(query.finding()?),
        Page::Control => {
            let (catalog, control) = query::of_catalog(segment)?;
            Wish::Control(catalog, control)
        }
        page => Wish::Plain(page),
    };
    query.finish()?;
    Ok(wish)
}

type Everything = (Found, Live, Option<Arc<Report>>, Option<Arc<Period>>);

/// Asks the desk. The store may be away: then the page says so, and shows what there is.
fn find(desk: &dyn Desk, wish: Wish, mut live: Live) -> Result<Everything, DeskError> {
    let mut report = None;
    let mut period = None;
    match desk.report() {
        Ok(found) => report = found,
        Err(error) => live.away = Some(error.to_string()),
    }
    if live.away.is_none() {
        match desk.period() {
            Ok(found) => period = found,
            Err(error) => tracing::warn!(%error, "the pages do without what the period would tell"),
        }
    }
    let found = match wish {
        Wish::Plain(page) => Found::Plain(page),
        Wish::Control(catalog, control) => Found::Control(catalog, control),
        Wish::Findings(query, filter) => Found::Findings(Box::new(findings(desk, &query, *filter, report.as_deref())?)),
        Wish::Finding(key) => Found::Finding(Box::new(finding(desk, &key)?)),
    };
    Ok((found, live, report, period))
}

fn findings(
    desk: &dyn Desk,
    query: &FindingsQuery,
    filter: Filter,
    report: Option<&Report>,
) -> Result<FindingsPage, DeskError> {
    let newest = report.map(|report| report.run);
    let run: RunId = query.run.or(newest).ok_or_else(|| DeskError::Missing("There is no run yet.".to_owned()))?;
    let later = query.page.cursor.is_some();
    let paged = desk.findings(&FindingsQuery { run: Some(run), ..query.clone() })?;
    let parse = |raw: &serde_json::value::RawValue| serde_json::from_str::<Finding>(raw.get());
    let findings: Result<Vec<Finding>, _> = paged.items.iter().map(|raw| parse(raw)).collect();
    let findings = findings.map_err(|error| DeskError::Away(format!("a stored line is no finding: {error}")))?;
    Ok(FindingsPage { run, filter, findings, next: paged.next, later })
}

fn finding(desk: &dyn Desk, key: &FindingKey) -> Result<FindingPage, DeskError> {
    let stored = desk.finding(key)?;
    let stored = stored.ok_or_else(|| DeskError::Missing("This run has no such finding.".to_owned()))?;
    let finding = serde_json::from_str(&stored.line)
        .map_err(|error| DeskError::Away(format!("{}: a line is no finding: {error}", stored.object)))?;
    let (resource_line, resource_object) = stored.resource.unzip();
    Ok(FindingPage {
        run: stored.run,
        finding,
        line: stored.line,
        object: stored.object,
        resource_line,
        resource_object,
    })
}

fn plain(page: Page) -> ServedPage<'static> {
    match page {
        Page::Controls | Page::Control => ServedPage::Controls,
        Page::Checks => ServedPage::Checks,
        Page::Timeline => ServedPage::Timeline,
        Page::Coverage => ServedPage::Coverage,
        Page::Trust => ServedPage::Trust,
        Page::Overview | Page::Findings | Page::Finding => ServedPage::Overview,
    }
}

/// A page that says what is wrong with what was asked for, or that it cannot be had now.
async fn refused(live: Live, problem: &Problem) -> Result<Answer, Problem> {
    let (status, detail) = (problem.status(), problem.detail().to_owned());
    let title = status.canonical_reason().unwrap_or("Error");
    let served = tokio::task::spawn_blocking(move || serve(ServedPage::Problem(title, &detail), &live, None, None));
    let served = served.await.map_err(|_| Problem::fault())?.map_err(broken)?.ok_or_else(Problem::fault)?;
    let mut answer = dressed(status, served)?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    Ok(answer)
}

fn dressed(status: StatusCode, served: Served) -> Result<Answer, Problem> {
    let mut answer = with_body(status, HTML, served.html);
    let policy = HeaderValue::try_from(served.policy).map_err(|_| Problem::fault())?;
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(answer)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn broken(error: evidenced_report::ReportError) -> Problem {
    tracing::error!(%error, "a page cannot be written");
    Problem::fault()
}
