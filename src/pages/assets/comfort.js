// Comfort where there is JavaScript: a button that shows a password, and times in the customer's time zone.
// Every page works without it.

for (const box of document.querySelectorAll('.password')) {
    const input = box.querySelector('input');
    const button = document.createElement('button');
    const show = (visible) => {
        input.type = visible ? 'text' : 'password';
        button.textContent = visible ? box.dataset.hide : box.dataset.show;
        button.setAttribute('aria-label', visible ? box.dataset.hideLabel : box.dataset.showLabel);
    };
    button.type = 'button';
    button.setAttribute('aria-controls', input.id);
    button.addEventListener('click', () => show(input.type === 'password'));
    // A password that was shown is not kept in the browser's list of what was typed.
    input.form.addEventListener('submit', () => show(false));
    show(false);
    box.append(button);
}

// The reader's own way to write the page's language, such as en-GB.
const { lang } = document.documentElement;
const locale = navigator.languages.find((tag) => tag.split('-')[0] === lang) ?? lang;
const format = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short' });
for (const time of document.querySelectorAll('time')) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.textContent = format.format(at);
}
