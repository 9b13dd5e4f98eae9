//! `evidenced permissions`: the least that collectors need, as what grants it in their cloud.

use evidenced_kit::PermissionForm;
use evidenced_model::glob;

use super::Context;
use crate::args::{GrantForm, Permissions};
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::needs;

pub(crate) fn run(context: &Context, options: &Permissions) -> Result<Exit, Ended> {
    let wrong = |message: String| Ended::new(Exit::Usage, message);
    let Some(cloud) = context.clouds.iter().find(|cloud| cloud.provider().as_str() == options.provider) else {
        let known: Vec<String> = context.clouds.iter().map(|cloud| cloud.provider().to_string()).collect();
        return Err(wrong(format!("there is no cloud {:?} here; known are {}", options.provider, known.join(", "))));
    };
    let asked = |id: &str| options.collectors.is_empty() || options.collectors.iter().any(|one| glob(one, id));
    let manifests: Vec<_> = cloud.manifests().into_iter().filter(|manifest| asked(manifest.id)).collect();
    if manifests.is_empty() {
        let globs = options.collectors.join(", ");
        return Err(wrong(format!("no collector is named {globs}; see `evidenced collectors list`")));
    }
    let loaded = context.load()?;
    let library = crate::catalogue::library(&loaded)?;
    let targets = loaded.config.targets.iter().filter_map(|target| target.get(&options.provider));
    let needed = needs::permissions(manifests, &library, needs::left_out(targets));
    if needed.is_empty() {
        return Err(wrong(
            "the config leaves out all that these collectors read; see targets[].scopes.excluded".into(),
        ));
    }
    let form = match options.form {
        GrantForm::Json => PermissionForm::Json,
        GrantForm::Terraform => PermissionForm::Terraform,
        GrantForm::Cloudformation => PermissionForm::Cloudformation,
        GrantForm::Bicep => PermissionForm::Bicep,
    };
    let Some(text) = cloud.permissions(&needed, form) else {
        return Err(wrong(format!("{} does not know this form; try --as json or --as terraform", options.provider)));
    };
    let mut lines = Lines::new();
    lines.write(text.as_bytes())?;
    lines.finish()?;
    Ok(Exit::Done)
}
