//! The dashboard: one page that needs nothing else, and no script to be read.

mod view;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_model::Digest;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Output, State, context, escape_formatter};

use crate::answer::{Answer, with_body};
use crate::ask::Counter;
use crate::problem::Problem;
use view::View;

const TEMPLATE: &str = include_str!("dashboard.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("refresh.js");

/// Admits nothing but the page's own style sheet and script, each by digest, and asking this server again.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'none'",
        sha256(STYLE),
        sha256(SCRIPT)
    );
    HeaderValue::try_from(policy).ok()
});

/// The page as it is now. Controls that cannot be had leave a note on it, and nothing else.
pub(crate) async fn page(counter: &Counter) -> Result<Answer, Problem> {
    let (readiness, status) = counter.at_once(|desk| (desk.readiness(), desk.status()))?;
    let controls = counter.ask(|desk| desk.controls(None)).await.map_err(|problem| problem.detail().to_owned());
    // Many controls take their time to be written, too.
    let html = tokio::task::spawn_blocking(move || render(&View::new(&readiness, &status, controls.as_ref())));
    let html = html.await.map_err(|_| Problem::fault())?.map_err(|error| {
        tracing::error!(%error, "the dashboard cannot be written");
        Problem::fault()
    })?;
    let mut answer = with_body(StatusCode::OK, "text/html; charset=utf-8", html);
    let policy = POLICY.clone().ok_or_else(Problem::fault)?;
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(answer)
}

fn render(view: &View<'_>) -> Result<String, minijinja::Error> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_formatter(harmless);
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    let context = context! { style => STYLE, script => SCRIPT, ..Value::from(Serde(view)) };
    env.template_from_named_str("dashboard.html", TEMPLATE)?.render(context)
}

/// Every string that comes into the page passes here: what is hidden in it becomes visible, then markup is escaped.
fn harmless(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() && text.contains(hidden) => {
            escape_formatter(out, state, &Value::from(text.replace(hidden, "\u{fffd}")))
        }
        _ => escape_formatter(out, state, value),
    }
}

/// Whether a character is not seen, or changes how others are seen.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn sha256(text: &str) -> String {
    STANDARD.encode(Digest::of(text.as_bytes()).as_bytes())
}
