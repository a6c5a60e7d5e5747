// Owns the check of the token: what is in it, and that a wrong one is refused. It must not know how tokens are signed.
// Invariant: the token itself is neither shown nor kept.

import { Skip } from "../bench.js";

const ASKED = "/v1/ice-servers"; // costs nothing, and wants what everything else wants

/** @type {import("../runner.js").Check} */
export const token = {
  id: "token",
  title: "Token",
  about: "What the token of this page allows, and that requests without it, or with another, are refused.",
  async run(bench) {
    if (bench.config.auth !== "token") {
      throw new Skip(`This gateway lets anybody in (GATEWAY_AUTH=${bench.config.auth}): there is no token to check.`);
    }
    const answers = [];
    const ask = async (what, bearer, expected) => {
      const headers = bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
      const { status } = await fetch(ASKED, { headers, cache: "no-store" });
      answers.push({ what, status, expected });
      bench.log(`${what}: ${status}`);
    };
    await ask("no token", undefined, 401);
    await ask("a token that is none", "not-a-token", 401);
    if (bench.token) {
      const [head, claims, signature] = bench.token.split(".");
      await ask("a changed signature", [head, claims, changed(signature)].join("."), 401);
      await ask("changed claims", [head, encoded({ ...decoded(claims), jti: "another" }), signature].join("."), 401);
      await ask("a token without a signature", [encoded({ alg: "none", typ: "JWT" }), claims, ""].join("."), 401);
      await ask("the token of this page", bench.token, 200);
    }
    const said = bench.token ? decoded(bench.token.split(".")[1]) : {};
    const shown = Object.entries(said);
    return {
      numbers: { answers, for_one_call: said.jti !== undefined },
      details: [
        { kind: "table", caption: "What the token says", head: ["Claim", "Value"], rows: shown.map(readable) },
        {
          kind: "table",
          caption: "Requests",
          head: ["With", "Answered", "Expected"],
          rows: answers.map(({ what, status, expected }) => [what, status, expected]),
        },
      ],
    };
  },
};

function readable([name, value]) {
  const isTime = ["exp", "iat", "nbf"].includes(name) && typeof value === "number";
  return [name, isTime ? new Date(value * 1000).toISOString() : JSON.stringify(value)];
}

function decoded(part) {
  const base64 = part.replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))));
}

function encoded(value) {
  return btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function changed(signature) {
  return (signature[0] === "A" ? "B" : "A") + signature.slice(1);
}
