//! Recognizes PostgreSQL's errors by their messages, in each language that it is translated into.
//!
//! Diesel does not expose the SQLSTATE and has an error kind only for some conditions. The language of the messages
//! depends on `lc_messages`, which not every role may set (docs/decisions/0016).

/// A condition for which Diesel has no error kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// 55P03
    LockTimeout,
    /// 57014: cancelled by a time-out or by an operator.
    Cancelled,
    /// 40P01
    Deadlock,
    /// 0A000, 26000 and 42P05: a prepared statement no longer matches the tables, or the server process behind a
    /// pooler.
    StaleStatement,
    /// 53100
    DiskFull,
    /// 53200 and 53400: out of memory, or a configured limit is exceeded.
    Exhausted,
}

/// Returns the condition that a message reports, if it is known.
pub(super) fn condition(message: &str) -> Option<Condition> {
    let says = |patterns: &[&str]| patterns.iter().any(|pattern| matches(message, pattern));
    TEXTS.iter().find(|(_, patterns)| says(patterns)).map(|(condition, _)| *condition)
}

/// Returns whether a message matches a pattern, in which each `%` stands for any text.
fn matches(message: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('%') else { return message == pattern };
    let Some(mut left) = message.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('%').map_or((None, rest), |(middle, last)| (Some(middle), last));
    for part in middle.into_iter().flat_map(|middle| middle.split('%')) {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

/// Patterns in which `%` stands for any text. `tests/support/postgres_messages.py` makes them from PostgreSQL's own
/// translations.
#[rustfmt::skip]
const TEXTS: &[(Condition, &[&str])] = &[
    (
        Condition::LockTimeout,
        &[
            "canceling statement due to lock timeout",
            "storniere Anfrage wegen Zeitüberschreitung einer Sperre",
            "cancelando la sentencia debido a que se agotó el tiempo de espera de candados (locks)",
            "annulation de la requête à cause du délai écoulé pour l'obtention des verrous",
            "annullamento dell'istruzione a causa di timeout di lock",
            "ロックのタイムアウトのためステートメントをキャンセルしています",
            "გამოსახულება გაუქმდება ბლოკის მოლოდინის ვადის ამოწურვის გამო",
            "잠금 대기 시간 초과로 작업을 취소합니다",
            "выполнение оператора отменено из-за тайм-аута блокировки",
            "avbryter sats på grund av lås-timeout",
            "виконання оператора скасовано через тайм-аут блокування",
            "由于锁超时，取消语句操作",
        ],
    ),
    (
        Condition::Cancelled,
        &[
            "canceling statement due to statement timeout",
            "storniere Anfrage wegen Zeitüberschreitung der Anfrage",
            "cancelando la sentencia debido a que se agotó el tiempo de espera de sentencias",
            "annulation de la requête à cause du délai écoulé pour l'exécution de l'instruction",
            "annullamento dell'istruzione a causa di timeout",
            "ステートメントのタイムアウトのためステートメントをキャンセルしています",
            "명령실행시간 초과로 작업을 취소합니다",
            "выполнение оператора отменено из-за тайм-аута",
            "avbryter sats på grund av sats-timeout",
            "виконання оператора скасовано через тайм-аут",
            "由于语句执行超时，正在取消查询命令",
            "canceling statement due to user request",
            "storniere Anfrage wegen Benutzeraufforderung",
            "cancelando la sentencia debido a una petición del usuario",
            "annulation de la requête à la demande de l'utilisateur",
            "annullamento dell'istruzione su richiesta dell'utente",
            "ユーザーからの要求により文をキャンセルしています",
            "사용자 요청에 의해 작업을 취소합니다",
            "выполнение оператора отменено по запросу пользователя",
            "avbryter sats på användares begäran",
            "виконання оператора скасовано по запиту користувача",
            "由于用户请求而正在取消查询",
        ],
    ),
    (
        Condition::Deadlock,
        &[
            "deadlock detected",
            "Verklemmung (Deadlock) entdeckt",
            "se ha detectado un deadlock",
            "interblocage (deadlock) détecté",
            "rilevato deadlock",
            "デッドロックを検出しました",
            "ნაპოვნია ურთიერთბლოკირება",
            "deadlock 발생했음",
            "обнаружена взаимоблокировка",
            "deadlock upptäckt",
            "виявлено взаємне блокування",
            "检测到死锁",
        ],
    ),
    (
        Condition::StaleStatement,
        &[
            "cached plan must not change result type",
            "gecachter Plan darf den Ergebnistyp nicht ändern",
            "el plan almacenado no debe cambiar el tipo de resultado",
            "le plan en cache ne doit pas modifier le type en résultat",
            "il cached plan non deve cambiare il tipo del risultato",
            "キャッシュした実行計画は結果型を変更してはなりません",
            "დაკეშილი გეგმა შედეგის ტიპს არ უნდა ცვლიდეს",
            "캐시된 계획에서 결과 형식을 바꾸지 않아야 함",
            "в кешированном плане не должен изменяться тип результата",
            "cache:ad plan får inte ändra resultattyp",
            "в кешованому плані не повинен змінюватись тип результату",
            "已缓冲的计划不能改变结果类型",
            "prepared statement \"%\" does not exist",
            "vorbereitete Anweisung »%« existiert nicht",
            "no existe la sentencia preparada «%»",
            "l'instruction préparée « % » n'existe pas",
            "l'istruzione preparata \"%\" non esiste",
            "準備された文\"%\"は存在しません",
            "მომზადებული ოპერატორი \"%\" არ არსებობს",
            "\"%\" 이름의 준비된 명령문(prepared statement) 없음",
            "подготовленный оператор \"%\" не существует",
            "preparerad sats \"%\" finns inte",
            "підготовлений оператор \"%\" не існує",
            "准备好的语句 \"%\" 不存在",
            "prepared statement \"%\" already exists",
            "vorbereitete Anweisung »%« existiert bereits",
            "la sentencia preparada «%» ya existe",
            "l'instruction préparée « % » existe déjà",
            "l'istruzione preparata \"%\" esiste già",
            "準備された文\"%\"はすでに存在します",
            "მომზადებული ოპერატორი \"%\" უკვე არსებობს",
            "\"%\" 이름의 준비된 명령문(prepared statement)이 이미 있습니다",
            "подготовленный оператор \"%\" уже существует",
            "preparerad sats \"%\" finns redan",
            "підготовлений оператор \"%\" вже існує",
            "准备好的语句 \"%\" 已经存在",
        ],
    ),
    (
        Condition::DiskFull,
        &[
            "could not extend file \"%\": %",
            "konnte Datei »%« nicht erweitern: %",
            "no se pudo extender el archivo «%»: %",
            "n'a pas pu étendre le fichier « % » : %",
            "non è stato possibile estendere il file \"%\": %",
            "ファイル\"%\"を拡張できませんでした: %",
            "ფაილის გაფართოების შეცდომა \"%\": %",
            "\"%\" 파일을 확장할 수 없음: %",
            "не удалось увеличить файл \"%\": %",
            "kunde inte utöka fil \"%\": %",
            "не вдалося розширити файл \"%\": %",
            "无法扩展文件 \"%\": %",
            "не удалось увеличить файл \"%\" (записано байт: % из %) в блоке %",
            "не вдалося розширити файл \"%\" записано лише % з % байт в блоку %",
            "无法扩展文件\"%\": 只能在块%上写%字节的%",
            "could not extend file \"%\" with FileFallocate(): %",
            "could not write to file \"%\": %",
            "konnte nicht in Datei »%« schreiben: %",
            "no se pudo escribir a archivo «%»: %",
            "n'a pas pu écrire dans le fichier « % » : %",
            "scrittura nel file \"%\" fallita: %",
            "ファイル\"%\"を書き出せませんでした: %",
            "ფაილში (%) ჩაწერის შეცდომა: %",
            "\"%\" 파일 쓰기 실패: %",
            "не удалось записать в файл \"%\": %",
            "kunde inte skriva till fil \"%\": %",
            "неможливо записати до файлу \"%\": %",
            "无法写入文件 \"%\": %",
        ],
    ),
    (
        Condition::Exhausted,
        &[
            "temporary file size exceeds temp_file_limit (%kB)",
            "Größe der temporären Datei überschreitet temp_file_limit (%kB)",
            "el tamaño del archivo temporal excede temp_file_limit permitido (%kB)",
            "la taille du fichier temporaire dépasse temp_file_limit (% Ko)",
            "la dimensione del file temporaneo supera temp_file_limit (%kB)",
            "一時ファイルのサイズがtemp_file_limit(% KB)を超えています",
            "დროებითი ფაილის ზომა temp_file_limit-ს (%კბ) აჭარბებს",
            "임시 파일 크기가 temp_file_limit (%kB)를 초과했습니다",
            "размер временного файла превышает предел temp_file_limit (% КБ)",
            "storlek på temporär fil överskrider temp_file_limit (%kB)",
            "розмір тимчасового файлу перевищує temp_file_limit (% Кб)",
            "临时文件大小超过最大允许值temp_file_limit(%kB)",
            "out of memory",
            "Speicher aufgebraucht",
            "memoria agotada",
            "mémoire épuisée",
            "memoria esaurita",
            "メモリ不足です",
            "არასაკმარისი მეხსიერება",
            "메모리 부족",
            "нехватка памяти",
            "slut på minne",
            "недостатньо пам'яті",
            "内存用尽",
            "out of shared memory",
            "Shared Memory aufgebraucht",
            "memoria compartida agotada",
            "mémoire partagée épuisée",
            "memoria condivisa esaurita",
            "共有メモリが足りません",
            "არასაკმარისი გაზიარებული მეხსიერება",
            "공유 메모리 부족",
            "нехватка разделяемой памяти",
            "slut på delat minne",
            "нестача спільної пам'яті",
            "共享内存用尽",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_words_in_any_language_and_whatever_stands_between_them() {
        for (message, expected) in [
            ("deadlock detected", Some(Condition::Deadlock)),
            ("Verklemmung (Deadlock) entdeckt", Some(Condition::Deadlock)),
            // One of these messages is a prefix of the other.
            ("annullamento dell'istruzione a causa di timeout di lock", Some(Condition::LockTimeout)),
            ("annullamento dell'istruzione a causa di timeout", Some(Condition::Cancelled)),
            ("could not extend file \"base/1/2\": No space left on device", Some(Condition::DiskFull)),
            ("could not extend file \"base/1/2\": wrote only 4096 of 8192 bytes at block 7", Some(Condition::DiskFull)),
            ("无法扩展文件\"base/1\": 只能在块7上写8192字节的4096", Some(Condition::DiskFull)),
            ("vorbereitete Anweisung »__diesel_stmt_0« existiert nicht", Some(Condition::StaleStatement)),
            ("relation \"deadlock detected\" does not exist", None),
            ("", None),
        ] {
            assert_eq!(condition(message), expected, "{message}");
        }
    }
}
