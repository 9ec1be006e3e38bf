//! Everything that pages are made of, loaded once.

use std::path::Path;

use minijinja::{Environment, Value, context};
use url::Url;

use super::assets::Assets;
use super::messages::{AllMessages, Messages};
use super::templates;
use crate::http::Language;
use crate::settings::{BaseUrl, ReturnUrl, Settings};

/// The templates, texts and files of the account pages.
pub struct Pages {
    environment: Environment<'static>,
    messages: AllMessages,
    pub(super) assets: Assets,
    name: String,
    return_urls: Vec<ReturnUrl>,
    /// The origin of `server.public_url`, if it is set.
    pub(super) origin: Option<String>,
    /// The `Content-Security-Policy`.
    pub(super) policy: String,
    /// For how many days the history is kept.
    pub(super) history_days: u32,
}

impl Pages {
    /// Loads the pages, and renders an operator's templates once, so that a broken one is found at the start.
    ///
    /// # Errors
    /// One line that names the setting or the file, and the line in it.
    pub(crate) fn load(settings: &Settings) -> Result<Self, String> {
        let pages = &settings.pages;
        let folder = (!pages.templates.as_os_str().is_empty()).then_some(pages.templates.as_path());
        let in_folder = |error: String| format!("pages.templates: {error}");
        let messages = AllMessages::load(folder).map_err(in_folder)?;
        let environment = templates::load(folder).map_err(in_folder)?;
        if folder.is_some() {
            templates::try_all(&environment, &messages, folder).map_err(in_folder)?;
        }
        Ok(Self {
            environment,
            messages,
            assets: Assets::load(pages)?,
            name: pages.name.clone(),
            return_urls: pages.return_urls.clone(),
            origin: settings.server.public_url.as_ref().map(BaseUrl::origin),
            policy: policy(&pages.return_urls),
            history_days: settings.history.days,
        })
    }

    /// Returns the texts in a language.
    pub(super) fn messages(&self, language: Language) -> &Messages {
        self.messages.of(language)
    }

    /// Returns the address in the form in which browsers write it, if customers may be sent to it.
    pub(super) fn permitted(&self, address: &str) -> Option<String> {
        let url = Url::parse(address).ok()?;
        self.return_urls.iter().any(|prefix| prefix.begins(&url)).then(|| url.into())
    }

    /// Renders a page. `context` has what differs from page to page.
    ///
    /// # Errors
    /// One line: the template uses something that is not in the context.
    pub(super) fn render(&self, template: &str, language: Language, context: Value) -> Result<String, String> {
        let messages = self.messages(language);
        let Assets { style, script, icon, logo, stylesheet, .. } = &self.assets;
        let name = if self.name.is_empty() { messages.text("common", "account") } else { &self.name };
        let always = context! {
            lang => language.tag(),
            t => messages.value.clone(),
            site => context! { name, style, script, icon, logo, stylesheet },
        };
        let template = self.environment.get_template(template);
        let rendered = template.and_then(|template| template.render(context! { ..always, ..context }));
        rendered.map_err(|error| templates::in_one_line(None::<&Path>, &error))
    }
}

/// Chrome applies `form-action` to redirects too, so it names where signing in may lead.
fn policy(return_urls: &[ReturnUrl]) -> String {
    let origins: String = return_urls.iter().map(|url| format!(" {}", url.origin())).collect();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
         form-action 'self'{origins}; frame-ancestors 'none'; base-uri 'none'"
    )
}
