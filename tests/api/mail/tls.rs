//! Certificates and passwords: nothing is sent over a connection that is not protected.

use crate::harness::{Binary, Certificates, SmtpServer};

const PASSWORD: &str = "s3cret/p@ss";

fn binary(url: &str) -> Binary {
    Binary::bare()
        .with("CLIENTELE__MAIL__TRANSPORT", "smtp")
        .with("CLIENTELE__MAIL__URL", url)
        .with("CLIENTELE__MAIL__FROM", "accounts@shop.example")
        .with("CLIENTELE__SERVER__PUBLIC_URL", "https://shop.example")
}

fn server(certificates: &Certificates, more: &[&str]) -> SmtpServer {
    let options = certificates.options();
    let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
    SmtpServer::start(&options)
}

const TEST: [&str; 5] = ["mail", "test", "john@example.com", "--language", "de"];

#[actix_rt::test]
async fn a_mail_goes_by_starttls_with_a_password_from_a_variable_or_a_file() {
    let certificates = Certificates::make();
    let server = server(&certificates, &["--user", "shop", "--password", PASSWORD]);
    let authority = certificates.authority().display().to_string();
    let binary = binary(&format!("smtp://shop@localhost:{}", server.port)).with("SSL_CERT_FILE", &authority);
    std::fs::write(binary.folder().join("password"), format!("{PASSWORD}\n")).expect("a file");
    let told = format!("sent to localhost:{}", server.port);
    let by_file = binary.with("CLIENTELE__MAIL__PASSWORD_FILE", "password");
    assert_eq!(by_file.run(&TEST).done(), told);
    let by_variable = by_file.with("CLIENTELE__MAIL__PASSWORD_FILE", "").with("CLIENTELE__MAIL__PASSWORD", PASSWORD);
    assert_eq!(by_variable.run(&TEST).done(), told);
    let url = format!("smtp://shop:s3cret%2Fp%40ss@localhost:{}?tls=required", server.port);
    let by_url = by_variable.with("CLIENTELE__MAIL__PASSWORD", "").with("CLIENTELE__MAIL__URL", &url);
    assert_eq!(by_url.run(&TEST).done(), told);
    for mail in server.wait_for(3).await {
        assert!(mail.encrypted && mail.authenticated, "{mail:?}");
        assert_eq!((mail.to.as_str(), mail.letter.subject.as_str()), ("john@example.com", "Testnachricht"));
    }
    // Whatever shows the settings, or says what is wrong, shows no password.
    let shown = by_url.run(&["config", "show"]);
    assert!(shown.done().contains("smtp://shop:[redacted]@localhost") && !shown.out.contains("s3cret"), "{shown:?}");
}

#[actix_rt::test]
async fn a_wrong_password_is_refused_and_not_told() {
    let certificates = Certificates::make();
    let server = server(&certificates, &["--user", "shop", "--password", PASSWORD]);
    let authority = certificates.authority().display().to_string();
    let url = format!("smtp://shop:hunter2@localhost:{}", server.port);
    let refused = binary(&url).with("SSL_CERT_FILE", &authority).run(&TEST);
    refused.refused(1, &["not sent to localhost:", "the server replied 535"]);
    assert!(!refused.err.contains("hunter2"), "{refused:?}");
    assert_eq!(server.received().len(), 0);
}

#[actix_rt::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let certificates = Certificates::make();
    for (more, scheme) in [(&[][..], "smtp"), (&["--from-the-start"], "smtps")] {
        let server = server(&certificates, more);
        let url = format!("{scheme}://localhost:{}", server.port);
        let stranger = Certificates::make();
        let authority = stranger.authority().display().to_string();
        let refused = binary(&url).with("SSL_CERT_FILE", &authority).run(&TEST);
        refused.refused(1, &["not sent to localhost:", "TLS", "certificate"]);
        assert_eq!(server.received().len(), 0);
    }
}

#[actix_rt::test]
async fn a_mail_goes_by_tls_from_the_start() {
    let certificates = Certificates::make();
    let server = server(&certificates, &["--from-the-start"]);
    let authority = certificates.authority().display().to_string();
    let url = format!("smtps://localhost:{}", server.port);
    binary(&url).with("SSL_CERT_FILE", &authority).run(&TEST).done();
    let [mail] = server.wait_for(1).await.try_into().expect("one mail");
    assert_eq!(mail.to, "john@example.com");
}

#[actix_rt::test]
async fn a_server_without_starttls_gets_nothing() {
    let server = SmtpServer::start(&[]);
    let refused = binary(&format!("smtp://localhost:{}", server.port)).run(&TEST);
    refused.refused(1, &["not sent to localhost:", "STARTTLS"]);
    assert_eq!(server.received().len(), 0);
}
