import type { ClientTokenSettings } from './client-tokens.js';

/** How long a token of the printed command counts, in seconds. */
const LIFETIME_S = 3600;

/** The step that names a client token in `$CLIENT_TOKEN`. */
export interface ClientTokenStep {
  readonly title: string;
  readonly command: string;
}

/** The step before a client can connect; null where a client without a token is admitted. The secret is not part of it. */
export function clientTokenStep(settings: ClientTokenSettings | null): ClientTokenStep | null {
  if (settings === null || settings.allowAnonymous) return null;
  if ('jwks' in settings.key) {
    const title =
      'Name a client token, an access token (JWT) of your issuer for this server, in the terminal of step 1:';
    return { title, command: "export CLIENT_TOKEN='<JWT>'" };
  }
  return {
    title: 'Make a client token from JWT_SECRET or JWT_SECRET_FILE, as set here, in the terminal of step 1:',
    command: `export CLIENT_TOKEN="$(node -e "${script(settings)}")"`,
  };
}

/** A JWT by HS256 (RFC 7515, appendix A.1), with the claims that the rules of this server demand. */
function script({ rules: { type, issuers, audiences } }: ClientTokenSettings): string {
  const claims = [
    "sub: 'me'",
    // For a first filter by label.
    "labels: { plan: 'free' }",
    ...(issuers?.[0] === undefined ? [] : [`iss: ${literal(issuers[0])}`]),
    ...(audiences?.[0] === undefined ? [] : [`aud: ${literal(audiences[0])}`]),
    'iat: now',
    `exp: now + ${LIFETIME_S}`,
  ];
  return (
    `const now = Math.floor(Date.now() / 1000), part = value => Buffer.from(JSON.stringify(value)).toString('base64url'); ` +
    `const { JWT_SECRET, JWT_SECRET_FILE } = process.env, secret = JWT_SECRET || fs.readFileSync(JWT_SECRET_FILE, 'utf8').replace(/\\r?\\n$/, ''); ` +
    `const text = part({ alg: 'HS256', typ: ${literal(type ?? 'JWT')} }) + '.' + part({ ${claims.join(', ')} }); ` +
    `console.log(text + '.' + require('crypto').createHmac('sha256', secret).update(text).digest('base64url'))`
  );
}

/** A text for a script between the double quotes of a shell: characters that either may interpret are escaped. */
function literal(text: string): string {
  const safe = text.replaceAll(/[^\w:/.@+-]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `'${safe}'`;
}
