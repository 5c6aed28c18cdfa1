/*
 * Passkeys (WebAuthn) for forms of the account pages.
 *
 *   <form data-passkey="create">             makes one from the options in #passkey-options
 *   <form data-passkey="get">                uses one; with data-options="URL" the options are asked from there
 *     <input type="hidden" name="credential">  what the browser answers is sent in it
 *
 * [data-passkey-unable] is shown, and such a form without a visible field stays hidden, where the browser can't do it;
 * [data-passkey-failed] is shown where nothing came of it.
 */
const bytes = (text) => {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.codePointAt(0));
};

const text = (buffer) =>
  btoa(String.fromCodePoint(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

const named = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

async function create(options, alone) {
  const wanted = { ...options.publicKey };
  wanted.challenge = bytes(wanted.challenge);
  wanted.user = { ...wanted.user, id: bytes(wanted.user.id) };
  if (wanted.excludeCredentials) wanted.excludeCredentials = named(wanted.excludeCredentials);
  wanted.authenticatorSelection = {
    ...wanted.authenticatorSelection,
    residentKey: alone ? "required" : "discouraged",
    requireResidentKey: alone,
    userVerification: alone ? "required" : "preferred",
  };
  const made = await navigator.credentials.create({ publicKey: wanted });
  return answer(made, ["clientDataJSON", "attestationObject"]);
}

async function get(options) {
  const wanted = { ...options.publicKey };
  wanted.challenge = bytes(wanted.challenge);
  if (wanted.allowCredentials) wanted.allowCredentials = named(wanted.allowCredentials);
  const used = await navigator.credentials.get({ publicKey: wanted });
  return answer(used, ["clientDataJSON", "authenticatorData", "signature", "userHandle"]);
}

function answer(credential, parts) {
  const response = {};
  for (const part of parts) if (credential.response[part]) response[part] = text(credential.response[part]);
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function optionsOf(form) {
  if (!form.dataset.options) return JSON.parse(document.getElementById("passkey-options").textContent);
  const found = await fetch(form.dataset.options, { headers: { Accept: "application/json" } });
  if (!found.ok) throw new Error(`no options: ${found.status}`);
  return await found.json();
}

function prepare(form) {
  const credential = form.elements.namedItem("credential");
  const failed = form.querySelector("[data-passkey-failed]") ?? document.querySelector("[data-passkey-failed]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (failed) failed.hidden = true;
    try {
      const options = await optionsOf(form);
      const done =
        form.dataset.passkey === "create"
          ? await create(Object.values(options)[0], form.elements.namedItem("passwordless").checked)
          : await get(Object.values(options)[0]);
      credential.value = JSON.stringify(done);
      form.submit();
    } catch {
      if (failed) failed.hidden = false;
    }
  });
  form.hidden = false;
}

// a host of numbers has no name that a passkey could be bound to
const able = Boolean(window.PublicKeyCredential) && !/^[\d.]+$|:/.test(location.hostname);
for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (able) prepare(form);
  else form.hidden = true;
}
if (!able) for (const note of document.querySelectorAll("[data-passkey-unable]")) note.hidden = false;
