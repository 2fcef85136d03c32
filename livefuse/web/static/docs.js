// Shows /openapi.json: routes by their tags, with parameters, bodies, answers; then the codes of errors.

const DEPTH = 4;
const at = (id) => document.getElementById(id);
let api = {};

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function resolved(schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? (api.components?.schemas?.[name] ?? {}) : (schema ?? {});
}

function typeWords(schema) {
  if (schema?.$ref) return schema.$ref.split("/").pop();
  if (schema?.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema?.const !== undefined) return JSON.stringify(schema.const);
  for (const key of ["anyOf", "oneOf", "allOf"]) if (schema?.[key]) return schema[key].map(typeWords).join(" | ");
  if (schema?.type === "array") return `${typeWords(schema.items)}[]`;
  return [schema?.type, schema?.format].flat().filter(Boolean).join(" ") || "any";
}

function table(head, rows) {
  const made = element("table");
  const line = made.createTHead().insertRow();
  for (const word of head) {
    const cell = element("th", word);
    cell.scope = "col";
    line.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const cells = body.insertRow();
    for (const cell of row) cells.insertCell().append(cell);
  }
  return made;
}

function fields(schema, prefix = "", depth = DEPTH) {
  const full = resolved(schema);
  const rows = [];
  for (const [name, inner] of Object.entries(full.properties ?? {})) {
    const needed = full.required?.includes(name) ? "needed" : "";
    const usual = inner.default === undefined ? "" : `default ${JSON.stringify(inner.default)}`;
    const words = [needed, usual, inner.description ?? resolved(inner).description].filter(Boolean).join("; ");
    rows.push([element("code", prefix + name), typeWords(inner), words]);
    if (depth > 1) rows.push(...fields(inner, `${prefix}${name}.`, depth - 1));
  }
  return rows;
}

function body(title, content) {
  const found = [];
  for (const [kind, { schema }] of Object.entries(content ?? {})) {
    found.push(element("h3", `${title}: ${kind}${schema ? `, ${typeWords(schema)}` : ""}`));
    const rows = fields(schema);
    if (rows.length) found.push(table(["Field", "Type", "Meaning"], rows));
  }
  return found;
}

function operation(method, path, said) {
  const details = element("details");
  const summary = element("summary");
  summary.append(element("span", method.toUpperCase(), "method"), element("code", path));
  const [about, ...more] = (said.description ?? "").split("\n\n"); // ends with who may call it, which `role` says
  summary.append(element("span", more.length ? about : (said.summary ?? ""), "about"), element("span", said["x-role"] ?? "", "role"));
  details.append(summary);
  for (const words of more.length ? more : [about]) if (words) details.append(element("p", words));
  const parameters = (said.parameters ?? []).map((one) => {
    const words = [one.required ? "needed" : "", one.description].filter(Boolean).join("; ");
    return [element("code", one.name), `${one.in}, ${typeWords(one.schema)}`, words];
  });
  if (parameters.length) details.append(element("h3", "Parameters"), table(["Name", "Where, type", "Meaning"], parameters));
  details.append(...body("Body", said.requestBody?.content));
  const answers = Object.entries(said.responses ?? {});
  const rows = answers.map(([status, answer]) => [element("code", status === "default" ? "other" : status), answer.description ?? ""]);
  details.append(element("h3", "Answers"), table(["Status", "Meaning"], rows));
  for (const [status, answer] of answers) if (/^2/.test(status)) details.append(...body("Answer", answer.content));
  return details;
}

function show() {
  at("version").textContent = api.info.version;
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, said] of Object.entries(methods)) {
      const tag = said.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(method, path, said));
    }
  }
  for (const [tag, operations] of [...groups].sort(([a], [b]) => a.localeCompare(b))) {
    const section = element("section", "", "card");
    section.id = `tag-${tag}`;
    section.append(element("h2", tag), ...operations);
    at("groups").append(section);
    const link = element("a", tag);
    link.href = `#${section.id}`;
    at("contents").append(link);
  }
  const rows = at("errors").querySelector("tbody");
  for (const { code, name, status, text } of api["x-errors"] ?? []) {
    const row = rows.insertRow();
    row.id = code;
    row.insertCell().append(element("code", code));
    row.insertCell().textContent = status;
    row.insertCell().append(element("strong", name), element("p", text));
  }
  at("errors").hidden = !rows.rows.length;
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`the daemon answered ${response.status}`);
  api = await response.json();
  show();
} catch (error) {
  at("problem").hidden = false;
  at("problem").textContent = `The description could not be read: ${error.message}`;
}
