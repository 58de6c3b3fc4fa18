/** Bytes a client could send so that the leash and a server behind it read different frames in them. */
export interface SmugglingCase {
  readonly title: string;
  readonly bytes: Buffer;
  /** The code of the error the client is answered; `passes` to the server, or is dropped in `silence`. */
  readonly answered: number | 'silence' | 'passes';
}

const hidden = '{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"hidden","arguments":{}}}';
const listed = '{"jsonrpc":"2.0","id":901,"method":"tools/list"}';
const [parseError, invalidRequest] = [-32_700, -32_600];

function envelope(member: string): string {
  return `{"jsonrpc":"2.0","id":901,${member},"method":"tools/list"}`;
}

function callWith(member: string): string {
  return `{"jsonrpc":"2.0","id":902,"method":"tools/call","params":{"name":"open",${member},"arguments":{}}}`;
}

function text(
  title: string,
  line: string,
  answered: SmugglingCase['answered'] = invalidRequest,
): SmugglingCase {
  return { title, bytes: Buffer.from(`${line}\n`), answered };
}

function raw(
  title: string,
  bytes: readonly (string | readonly number[])[],
  answered: SmugglingCase['answered'] = parseError,
): SmugglingCase {
  const parts = bytes.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)));
  return { title, bytes: Buffer.concat([...parts, Buffer.from('\n')]), answered };
}

export const smugglingCases: readonly SmugglingCase[] = [
  // Line ends that are white space, or text, to one side.
  text('a carriage return between two frames', `${listed.slice(0, -1)}\r${hidden}\r}`, parseError),
  text(
    'a frame as a value, between two carriage returns',
    `{"jsonrpc":"2.0","method":"notifications/x","params":{"x":\r${hidden}\r}}`,
    parseError,
  ),
  text('a carriage return as white space', `{"jsonrpc":"2.0","id":901,\r"method":"tools/list"}`, parseError),
  text('a carriage return before the frame', `\r${hidden}`, parseError),
  text('two carriage returns at the end', `${hidden}\r\r`, parseError),
  ...[0x00, 0x08, 0x09, 0x0b, 0x0c, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f].map((byte) =>
    raw(`byte 0x${byte.toString(16)} between two frames`, [
      `{"jsonrpc":"2.0","id":901,"method":"tools/list"`,
      [byte],
      hidden,
      '}',
    ]),
  ),
  raw('a control character inside a string', [
    '{"jsonrpc":"2.0","id":901,"method":"tools/list","x":"',
    [0x0b],
    hidden.replaceAll('"', '\\"'),
    '"}',
  ]),
  // Raw separators pass as escapes, so a server that splits lines there sees one line.
  ...['\u2028', '\u2029', '\u0085'].map((separator) =>
    text(
      `a raw U+${separator.charCodeAt(0).toString(16)} in a string, with a frame behind it`,
      `{"jsonrpc":"2.0","method":"notifications/x","params":{"x":"${separator}${hidden.replaceAll('"', "'")}${separator}"}}`,
      'passes',
    ),
  ),
  text(
    'a raw U+2028 around a whole frame',
    `{"jsonrpc":"2.0","id":901,"method":"tools/list"\u2028${hidden}\u2028}`,
    parseError,
  ),

  // Encodings.
  raw('a byte order mark', [[0xef, 0xbb, 0xbf], hidden]),
  raw('invalid UTF-8', ['{"jsonrpc":"2.0","id":901,"method":"tools/list","x":"', [0xff, 0xfe], '"}']),
  raw('an overlong quote', ['{"jsonrpc":"2.0","id":901,"method":"tools/list","x":"', [0xc0, 0xa2], '"}']),
  raw('a surrogate in UTF-8', [
    '{"jsonrpc":"2.0","id":901,"method":"tools/list","x":"',
    [0xed, 0xa0, 0x80],
    '"}',
  ]),
  raw('UTF-16', [Buffer.from(hidden, 'utf16le').toJSON().data]),

  // More than one message, or none.
  text('a batch', `[${hidden}]`),
  text('a batch of two', `[${listed},${hidden}]`),
  text('two frames on one line', `${listed}${hidden}`, parseError),
  text('two frames with a space between', `${listed} ${hidden}`, parseError),
  text('a comment', `${listed}//${hidden}`, parseError),
  text('a string', JSON.stringify(hidden)),
  text('null', 'null'),
  text('garbage', 'GET / HTTP/1.1', parseError),
  text('NaN', envelope('"x":NaN'), parseError),
  text('a trailing comma', '{"jsonrpc":"2.0","id":901,"method":"tools/list",}', parseError),
  text('single quotes', hidden.replaceAll('"', "'"), parseError),

  // One key twice, as written or as decoded.
  text(
    'method twice, the call first',
    `{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"name":"hidden"},"method":"ping"}`,
  ),
  text(
    'method twice, the call last',
    `{"jsonrpc":"2.0","id":901,"method":"ping","params":{"name":"hidden"},"method":"tools/call"}`,
  ),
  text('method twice, one escaped', envelope('"m\\u0065thod":"tools/call","params":{"name":"hidden"}')),
  text(
    'params twice',
    `{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"name":"open"},"params":{"name":"hidden"}}`,
  ),
  text(
    'params twice, the second not an object',
    `{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"name":"hidden"},"params":null}`,
  ),
  text('name twice', callWith('"name":"hidden"')),
  text('name twice, one escaped', callWith('"n\\u0061me":"hidden"')),
  text('id twice', envelope('"id":5')),
  text('an unknown member twice', envelope('"x":1,"x":2')),
  text('an unknown parameter twice', callWith('"x":1,"x":2')),
  text('an empty name twice', envelope('"":1,"":2')),

  // Keys that only look the same.
  ...[
    'Method',
    'METHOD',
    'ｍethod',
    'method\\u0000',
    'met\\u200bhod',
    'me\\u0301thod',
    '\\u006Dethod ',
    'ᵐethod',
  ].flatMap((key) => {
    const problem = JSON.parse(`"${key}"`) === 'method ' ? 'passes' : invalidRequest;
    return [text(`the key ${key}`, envelope(`"${key}":"tools/call","params":{"name":"hidden"}`), problem)];
  }),
  ...['Name', 'NAME', 'ｎame', 'name\\u0000', 'na\\ud800me', 'n\\u00adame', 'ＮＡＭＥ'].map((key) =>
    text(`the parameter ${key}`, callWith(`"${key}":"hidden"`)),
  ),
  ...['Id', 'ID', 'İd', 'ıd', 'Params', 'PARAMS', 'paramſ', 'Result', 'Error', 'JsonRpc', '__proto__'].map(
    (key) => text(`the key ${key}`, envelope(`"${key}":{"method":"tools/call","name":"hidden"}`)),
  ),
  text(
    'a prototype with a name',
    `{"jsonrpc":"2.0","id":902,"method":"tools/call","params":{"__proto__":{"name":"hidden"}}}`,
  ),
  text(
    'only a lookalike name',
    `{"jsonrpc":"2.0","id":902,"method":"tools/call","params":{"Name":"hidden"}}`,
  ),
  text(
    'only a lookalike method',
    `{"jsonrpc":"2.0","id":902,"Method":"tools/call","params":{"name":"hidden"}}`,
  ),

  // Methods that only look like the call.
  ...[
    'Tools/Call',
    'TOOLS/CALL',
    'tools/call ',
    ' tools/call',
    'tools/call\\u0000',
    'tools／call',
    'tools/\\u200bcall',
    'tools/caｌl',
  ].map((method) =>
    text(
      `the method ${method}`,
      `{"jsonrpc":"2.0","id":901,"method":"${method}","params":{"name":"hidden"}}`,
      -32_601,
    ),
  ),
  text(
    'an escaped method is the call itself',
    `{"jsonrpc":"2.0","id":901,"method":"tools\\/c\\u0061ll","params":{"name":"hidden"}}`,
    -32_602,
  ),
  text(
    'half of a surrogate pair in the method',
    `{"jsonrpc":"2.0","id":901,"method":"tools/call\\udc00","params":{"name":"hidden"}}`,
  ),
  text(
    'a method that is a list',
    `{"jsonrpc":"2.0","id":901,"method":["tools/call"],"params":{"name":"hidden"}}`,
  ),
  text(
    'an unknown method',
    `{"jsonrpc":"2.0","id":901,"method":"tools/run","params":{"name":"hidden"}}`,
    -32_601,
  ),

  // Requests that are answers, and the other way round.
  text('a method and a result', envelope('"result":{}')),
  text('a call and an error', hidden.replace('"id"', '"error":{"code":1,"message":""},"id"')),
  text('a result and an error', '{"jsonrpc":"2.0","id":901,"result":{},"error":{"code":1,"message":""}}'),
  text('an answer to nothing', '{"jsonrpc":"2.0","id":901,"result":{"method":"tools/call"}}'),
  text('an answer without an id', '{"jsonrpc":"2.0","result":{}}'),
  text('neither', '{"jsonrpc":"2.0","id":901}'),

  // Ids and versions.
  ...[
    'null',
    '1.0',
    '1e2',
    '-0',
    '9007199254740993',
    '1.5',
    'true',
    '[1]',
    '{"a":1}',
    '"\\ud800"',
    `"${'x'.repeat(1_025)}"`,
  ].map((id) =>
    text(
      `the id ${id.slice(0, 20)}`,
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"open"}}`,
    ),
  ),
  ...['"1.0"', '2.0', '2', 'null', '"2.0 "'].map((version) =>
    text(
      `jsonrpc ${version}`,
      `{"jsonrpc":${version},"id":901,"method":"tools/call","params":{"name":"open"}}`,
    ),
  ),
  text('no jsonrpc', '{"id":901,"method":"tools/call","params":{"name":"open"}}'),
  text('params that are a list', '{"jsonrpc":"2.0","id":901,"method":"tools/call","params":["hidden"]}'),
  text('a call without an id', hidden.replace('"id":900,', ''), 'silence'),
  text('a tool that is not in the session', hidden, -32_602),

  // Sizes.
  text(
    'too deep',
    `{"jsonrpc":"2.0","id":901,"method":"tools/list","x":${'['.repeat(600)}${']'.repeat(600)}}`,
  ),
  text('too deep and unfinished', '['.repeat(100_000)),
  text(
    'too many members',
    `{"jsonrpc":"2.0","id":901,"method":"tools/list",${Array.from({ length: 1_100 }, (_, index) => `"x${index}":0`).join()}}`,
  ),
  text('a line too long', `${listed.slice(0, -1)},"x":"${'x'.repeat(20_000)}"}`),
];
