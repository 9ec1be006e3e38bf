//! Access tokens, refresh tokens, the tokens of links in mails, the cookie of the account pages, and the keys and the
//! secret behind them.

mod access;
mod cookies;
mod keys;
mod links;
mod refresh;
pub(crate) mod secret;
mod signatures;

pub use self::access::{AccessTokens, InvalidToken, Principal, TokenError};
pub use self::cookies::{SessionCookie, SessionCookies};
pub use self::keys::{Keys, generate_key};
pub use self::links::{LinkKind, LinkToken, LinkTokens};
pub use self::refresh::{RefreshClaims, RefreshTokens};
