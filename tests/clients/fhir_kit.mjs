// Arguments: the folder of modules, the address of the base, a token. Tells what it saw as one JSON object.
import { pathToFileURL } from "node:url";

const [, , modules, baseUrl, token] = process.argv;
const { Client } = await import(pathToFileURL(`${modules}/fhir-kit-client/dist/index.js`).href);

const client = new Client({ baseUrl, bearerToken: token });
const told = {};
const status = (resource) => Client.httpFor(resource).response.status;
const identifier = [{ system: "urn:kit", value: `${process.pid}-${Date.now()}` }];
const patient = { resourceType: "Patient", name: [{ family: "Essai", given: ["Anne"] }], gender: "female", identifier };

const statement = await client.capabilityStatement();
told.capability = statement.fhirVersion;
told.smart = (await client.smartAuthMetadata()).tokenUrl?.href;

const made = await client.create({ resourceType: "Patient", body: patient });
told.created = [status(made), made.meta.versionId];
const id = made.id;
told.read = (await client.read({ resourceType: "Patient", id })).name[0].family;
told.updated = (await client.update({ resourceType: "Patient", id, body: { ...made, gender: "male" } })).meta.versionId;
told.vread = (await client.vread({ resourceType: "Patient", id, version: "1" })).meta.versionId;
const jsonPatch = [{ op: "replace", path: "/gender", value: "other" }];
const patched = await client.patch({ resourceType: "Patient", id, jsonPatch });
told.patched = [patched.gender, patched.meta.versionId];
const found = await client.create({
  resourceType: "Patient",
  body: patient,
  options: { headers: { "If-None-Exist": `identifier=urn:kit|${identifier[0].value}` } },
});
told.conditional = status(found) === 200 && found.id === id;

const pulse = (n) => ({
  resourceType: "Observation",
  status: "final",
  code: { text: `n${n}` },
  subject: { reference: `Patient/${id}` },
});
const entry = (n) => ({ resource: pulse(n), request: { method: "POST", url: "Observation" } });
const answer = await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry: [0, 1].map(entry) } });
told.transaction = answer.entry.map((each) => each.response.status);
for (let n = 2; n < 7; n++) await client.create({ resourceType: "Observation", body: pulse(n) });
const searchParams = { subject: `Patient/${id}`, _count: 3 };
let page = await client.resourceSearch({ resourceType: "Observation", searchParams });
const first = page;
const seen = new Set();
while (page) {
  for (const each of page.entry ?? []) seen.add(each.resource.id);
  page = await client.nextPage({ bundle: page });
}
told.pages = seen.size;
told.again = first.entry.length;
const options = { postSearch: true };
const byPost = { identifier: `urn:kit|${identifier[0].value}` };
told.posted = (await client.resourceSearch({ resourceType: "Patient", searchParams: byPost, options })).entry.length;
const compartment = { resourceType: "Patient", id };
const inside = { status: "final", _revinclude: "Patient:link", _include: "Observation:subject" };
told.compartment = (
  await client.compartmentSearch({ resourceType: "Observation", compartment, searchParams: inside })
).entry.length;
told.resolved = (await client.resolve({ reference: `Patient/${id}` })).resourceType;
told.history = (await client.history({ resourceType: "Patient", id })).entry.length;
// The patient, its seven observations, and the one that a practitioner performed.
await client.create({ resourceType: "Observation", body: { ...pulse(9), subject: undefined, performer: [{ reference: `Patient/${id}` }] } });
told.everything = (await client.operation({ name: "$everything", resourceType: "Patient", id, method: "GET" })).entry.length;
told.operation = (await client.operation({ name: "meta", resourceType: "Patient", id, method: "GET" })).resourceType;

const refusal = async (work) => {
  try {
    await work();
  } catch (error) {
    const { response } = error;
    return [response.status, response.data?.issue?.[0]?.expression?.[0]];
  }
  return null;
};
told.refused = await refusal(() => client.create({ resourceType: "Patient", body: { ...patient, gender: "blue" } }));
told.unknown = await refusal(() => client.resourceSearch({ resourceType: "Patient", searchParams: { colour: "red" } }));
const brief = await client.create({ resourceType: "Patient", body: { resourceType: "Patient" } });
told.deleted = status(await client.delete({ resourceType: "Patient", id: brief.id }));
told.gone = (await refusal(() => client.read({ resourceType: "Patient", id: brief.id })))[0];

console.log(JSON.stringify(told));
