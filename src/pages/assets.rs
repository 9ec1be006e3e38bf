//! The files that pages load. Their names contain a hash of their content, so browsers keep them for good.

use std::path::Path;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, EntityTag, Header, IfNoneMatch};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use crate::settings::Pages as Settings;

/// The path below which they are.
pub(super) const FOLDER: &str = "/account/assets/";

/// The media types of the files that an operator may set, by the extension of the name.
const IMAGES: [(&str, &str); 6] = [
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
];
const STYLE_SHEETS: [(&str, &str); 1] = [("css", "text/css; charset=utf-8")];

/// A file as it is sent.
struct Asset {
    name: String,
    content_type: &'static str,
    content: Bytes,
    etag: EntityTag,
}

/// All files, with the addresses of those that every page names.
pub(super) struct Assets {
    files: Vec<Asset>,
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
    pub(super) logo: Option<String>,
    pub(super) stylesheet: Option<String>,
}

impl Assets {
    /// Reads the operator's files.
    ///
    /// # Errors
    /// One line that names the setting: a file cannot be read, or is of a type that pages cannot show.
    pub(super) fn load(settings: &Settings) -> Result<Self, String> {
        let mut files = vec![
            Asset::new("style", "css", STYLE_SHEETS[0].1, include_bytes!("assets/style.css")),
            Asset::new("comfort", "js", "text/javascript; charset=utf-8", include_bytes!("assets/comfort.js")),
            Asset::new("icon", "svg", IMAGES[0].1, include_bytes!("assets/icon.svg")),
        ];
        let [style, script, icon] = [0, 1, 2].map(|index: usize| files[index].address());
        let mut add = |file: Option<Asset>| {
            file.map(|file| {
                let address = file.address();
                files.push(file);
                address
            })
        };
        let logo = add(own("pages.logo", "logo", &settings.logo, &IMAGES)?);
        let stylesheet = add(own("pages.stylesheet", "shop", &settings.stylesheet, &STYLE_SHEETS)?);
        Ok(Self { icon: logo.clone().unwrap_or(icon), files, style, script, logo, stylesheet })
    }

    /// Sends a file. Returns `None` if there is none of this name.
    pub(super) fn reply(&self, request: &HttpRequest, name: &str) -> Option<HttpResponse> {
        let file = self.files.iter().find(|file| file.name == name)?;
        let is_known = is_known(request, &file.etag);
        let mut reply = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        reply
            .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .insert_header((ETAG, file.etag.to_string()))
            // An image of type SVG may be opened as a page of its own.
            .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"));
        Some(if is_known { reply.finish() } else { reply.content_type(file.content_type).body(file.content.clone()) })
    }
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, content: &[u8]) -> Self {
        let hash: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{stem}.{hash}.{extension}");
        Self { name, content_type, content: Bytes::copy_from_slice(content), etag: EntityTag::new_strong(hash) }
    }

    fn address(&self) -> String {
        format!("{FOLDER}{}", self.name)
    }
}

/// Reads an operator's file, if the setting names one.
fn own(key: &str, stem: &str, path: &Path, types: &[(&str, &'static str)]) -> Result<Option<Asset>, String> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let failed = |reason: String| format!("{key} {}: {reason}", path.display());
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let Some((extension, content_type)) = types.iter().find(|(known, _)| *known == extension) else {
        let known: Vec<&str> = types.iter().map(|(extension, _)| *extension).collect();
        return Err(failed(format!("expected a file whose name ends with .{}", known.join(", ."))));
    };
    let content = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    Ok(Some(Asset::new(stem, extension, content_type, &content)))
}

/// Whether the client has this version (RFC 9110 §13.1.2). A header that cannot be read says nothing.
fn is_known(request: &HttpRequest, etag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(etag)),
        Err(_) => false,
    }
}
