/** The document that clients of Google-discovery style APIs are generated from: fleet's calls, then ours. */
export function discoveryDocument(prefix: '/fleet/v1' | '/v1-alpha'): object {
  const path = prefix.slice(1);
  return {
    kind: 'discovery#restDescription',
    discoveryVersion: 'v1',
    id: 'fleet:v1',
    name: 'schema',
    version: 'v1',
    title: 'fleet API',
    description: 'Units, their states and the machines of a cluster.',
    documentationLink: '',
    protocol: 'rest',
    icons: { x16: '', x32: '' },
    labels: [],
    baseUrl: `$ENDPOINT/${path}/`,
    basePath: `/${path}/`,
    rootUrl: '$ENDPOINT/',
    servicePath: `${path}/`,
    batchPath: 'batch',
    parameters: {},
    auth: {},
    schemas: SCHEMAS,
    resources: RESOURCES,
  };
}

const text = { type: 'string' };
const flag = { type: 'boolean' };
const number = { type: 'integer', format: 'int64' };
const health = { type: 'string', enum: ['passing', 'warning', 'critical'] };
const state = { type: 'string', enum: ['inactive', 'loaded', 'launched'] };
const listOf = (id: string) => ({ type: 'array', items: { $ref: id } });
const object = (id: string, properties: object) => ({ id, type: 'object', properties });

const SCHEMAS = {
  Machine: object('Machine', {
    id: text,
    primaryIP: text,
    metadata: { type: 'object', properties: {}, additionalProperties: text },
  }),
  MachinePage: object('MachinePage', { machines: listOf('Machine'), nextPageToken: text }),
  MachinePatch: { id: 'MachinePatch', type: 'array', items: { $ref: 'MachinePatchOperation' } },
  MachinePatchOperation: object('MachinePatchOperation', {
    op: { type: 'string', enum: ['add', 'remove', 'replace'] },
    path: { ...text, description: '/<machine id>/metadata/<key>' },
    value: text,
  }),
  UnitOption: object('UnitOption', { section: text, name: text, value: text }),
  Unit: object('Unit', {
    name: text,
    options: listOf('UnitOption'),
    desiredState: state,
    currentState: state,
    machineID: { ...text, required: true },
    submitted: { ...text, description: 'The file that the options were read from, comments included.' },
  }),
  UnitPage: object('UnitPage', { units: listOf('Unit'), nextPageToken: text }),
  UnitState: object('UnitState', {
    name: text,
    hash: text,
    machineID: text,
    systemdLoadState: text,
    systemdActiveState: text,
    systemdSubState: text,
  }),
  UnitStatePage: object('UnitStatePage', { states: listOf('UnitState'), nextPageToken: text }),
  UnitSummary: object('UnitSummary', {
    name: text,
    hash: text,
    description: text,
    desiredState: state,
    currentState: state,
    global: flag,
    placements: listOf('Placement'),
  }),
  UnitSummaryPage: object('UnitSummaryPage', { units: listOf('UnitSummary') }),
  Placement: object('Placement', {
    machineID: text,
    address: text,
    reason: text,
    desiredState: state,
    status: { $ref: 'PlacementStatus' },
  }),
  PlacementStatus: object('PlacementStatus', {
    hash: text,
    state,
    load: text,
    active: text,
    sub: text,
    note: text,
    start: number,
  }),
  Why: object('Why', {
    name: text,
    desiredState: state,
    placements: listOf('WhyPlacement'),
    machines: listOf('WhyMachine'),
    summary: text,
  }),
  WhyPlacement: object('WhyPlacement', { machineID: text, address: text, reason: text }),
  WhyMachine: object('WhyMachine', { machineID: text, address: text, units: number, reason: text }),
  UnitStatusReport: object('UnitStatusReport', { name: text, reports: listOf('MachineReport') }),
  MachineReport: object('MachineReport', {
    machineID: text,
    address: text,
    text,
    exitCode: number,
    error: text,
  }),
  ServiceList: object('ServiceList', { services: listOf('Service') }),
  Service: object('Service', { name: text, instances: listOf('ServiceInstance') }),
  ServiceInstance: object('ServiceInstance', {
    id: text,
    machineID: text,
    node: text,
    address: text,
    port: number,
    tags: { type: 'array', items: text },
    meta: { type: 'object', properties: {}, additionalProperties: text },
    source: { type: 'string', enum: ['unit', 'container', 'api'] },
    unit: text,
    routes: listOf('ServiceRoute'),
    health,
    checks: listOf('ServiceCheck'),
  }),
  ServiceRoute: object('ServiceRoute', { host: text, path: text }),
  ServiceCheck: object('ServiceCheck', { id: text, name: text, type: text, status: health, output: text, notes: text }),
  Router: object('Router', {
    plane: text,
    listening: { type: 'array', items: text },
    failure: text,
    revision: number,
    routes: listOf('Route'),
    problems: listOf('RouteProblem'),
  }),
  Route: object('Route', { host: text, path: text, service: text, backends: listOf('RouteBackend') }),
  RouteBackend: object('RouteBackend', { id: text, machine: text, address: text, port: number, weight: number }),
  RouteProblem: object('RouteProblem', { host: text, path: text, service: text, reason: text }),
  RouterBackendList: object('RouterBackendList', { backends: listOf('RouterBackend') }),
  RouterBackend: object('RouterBackend', {
    id: text,
    service: text,
    address: text,
    port: number,
    state: { type: 'string', enum: ['up', 'resting', 'draining'] },
    active: number,
    requests: number,
    failures: number,
  }),
  CertificateList: object('CertificateList', { certificates: listOf('Certificate') }),
  Certificate: object('Certificate', { name: text, hosts: { type: 'array', items: text }, expiresMs: number }),
  CertificatePut: object('CertificatePut', {
    pem: { ...text, description: 'The certificate, its chain and its key.' },
  }),
  Leader: object('Leader', { machineID: text, address: text, sinceMs: number }),
  Version: object('Version', { version: text, machineID: text }),
  Health: object('Health', { ok: flag, machineID: text, version: text }),
};

interface Method {
  readonly id: string;
  readonly description: string;
  readonly path: string;
  readonly httpMethod?: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
  readonly query?: Readonly<Record<string, object>>;
  readonly request?: keyof typeof SCHEMAS;
  readonly response?: keyof typeof SCHEMAS;
}

/** A method in the document's form; what stands in braces in the path becomes a parameter. */
function method({ id, description, path, httpMethod = 'GET', query = {}, request, response }: Method): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const pathParameters = inPath.map((name) => [name, { type: 'string', location: 'path', required: true }] as const);
  const queryParameters = Object.entries(query).map(([name, type]) => [name, { ...type, location: 'query' }] as const);
  return {
    id,
    description,
    httpMethod,
    path,
    parameters: Object.fromEntries([...pathParameters, ...queryParameters]),
    ...(inPath.length === 0 ? {} : { parameterOrder: inPath }),
    ...(request === undefined ? {} : { request: { $ref: request } }),
    ...(response === undefined ? {} : { response: { $ref: response } }),
  };
}

const paged = { nextPageToken: text, all: { ...flag, description: 'The whole list at once.' } };
const repeated = { ...text, repeated: true };
const fromMachines = { machine: text, lines: number };

const RESOURCES = {
  Machines: {
    methods: {
      List: method({
        id: 'fleet.Machine.List',
        description: 'Retrieve a page of Machine objects.',
        path: 'machines',
        query: paged,
        response: 'MachinePage',
      }),
      Patch: method({
        id: 'fleet.Machine.Patch',
        description: 'Add, replace or remove metadata of machines.',
        path: 'machines',
        httpMethod: 'PATCH',
        request: 'MachinePatch',
      }),
    },
  },
  Units: {
    methods: {
      List: method({
        id: 'fleet.Unit.List',
        description: 'Retrieve a page of Unit objects.',
        path: 'units',
        query: paged,
        response: 'UnitPage',
      }),
      Get: method({
        id: 'fleet.Unit.Get',
        description: 'Retrieve a single Unit object.',
        path: 'units/{unitName}',
        query: {
          submitted: { ...flag, description: 'With its file as submitted, where that is not its options alone.' },
        },
        response: 'Unit',
      }),
      Delete: method({
        id: 'fleet.Unit.Delete',
        description: 'Delete the referenced Unit object.',
        path: 'units/{unitName}',
        httpMethod: 'DELETE',
      }),
      Set: method({
        id: 'fleet.Unit.Set',
        description: 'Create or update a Unit.',
        path: 'units/{unitName}',
        httpMethod: 'PUT',
        request: 'Unit',
      }),
      Summaries: method({
        id: 'fleet.Unit.Summaries',
        description: 'All units, or those named, without their options but with their placements.',
        path: 'summaries',
        query: { unit: repeated },
        response: 'UnitSummaryPage',
      }),
      Why: method({
        id: 'fleet.Unit.Why',
        description: 'Why the unit is where it is, and why it cannot be on the other machines.',
        path: 'units/{unitName}/why',
        response: 'Why',
      }),
      Status: method({
        id: 'fleet.Unit.Status',
        description: 'Status texts of the machines that hold the unit.',
        path: 'units/{unitName}/status',
        query: fromMachines,
        response: 'UnitStatusReport',
      }),
      Journal: method({
        id: 'fleet.Unit.Journal',
        description: 'Journal of the unit as text, from the machine that holds it.',
        path: 'units/{unitName}/journal',
        query: { ...fromMachines, follow: flag, output: text },
      }),
    },
  },
  UnitState: {
    methods: {
      List: method({
        id: 'fleet.UnitState.List',
        description: 'Retrieve a page of UnitState objects.',
        path: 'state',
        query: { ...paged, unitName: text, machineID: text },
        response: 'UnitStatePage',
      }),
      Get: method({
        id: 'fleet.UnitState.Get',
        description: 'Retrieve the UnitState of a single unit.',
        path: 'state/{unitName}',
        response: 'UnitState',
      }),
    },
  },
  Services: {
    methods: {
      List: method({
        id: 'fleet.Service.List',
        description: 'Every service with its instances and their checks.',
        path: 'services',
        response: 'ServiceList',
      }),
      Get: method({
        id: 'fleet.Service.Get',
        description: 'One service with its instances and their checks.',
        path: 'services/{serviceName}',
        response: 'Service',
      }),
    },
  },
  Router: {
    methods: {
      Get: method({
        id: 'fleet.Router.Get',
        description: 'The routes of the HTTP router of this machine.',
        path: 'router',
        response: 'Router',
      }),
      Backends: method({
        id: 'fleet.Router.Backends',
        description: 'The backends of that router, and what each is doing.',
        path: 'router/backends',
        response: 'RouterBackendList',
      }),
      Config: method({
        id: 'fleet.Router.Config',
        description: 'The routes as a file for another program: nginx.',
        path: 'router/config/{kind}',
      }),
      Certificates: method({
        id: 'fleet.Router.Certificates',
        description: 'The certificates in the store, without their keys.',
        path: 'router/certificates',
        response: 'CertificateList',
      }),
      SetCertificate: method({
        id: 'fleet.Router.SetCertificate',
        description: 'Store a certificate with its chain and key, in the place of the one of that name.',
        path: 'router/certificates/{certificateName}',
        httpMethod: 'PUT',
        request: 'CertificatePut',
      }),
      DeleteCertificate: method({
        id: 'fleet.Router.DeleteCertificate',
        description: 'Remove a certificate from the store.',
        path: 'router/certificates/{certificateName}',
        httpMethod: 'DELETE',
      }),
    },
  },
  Cluster: {
    methods: {
      Events: method({
        id: 'fleet.Cluster.Events',
        description: 'Changes as server-sent events.',
        path: 'events',
        query: { unit: repeated, after: number, history: number, happened: flag, units: flag },
      }),
      Leader: method({
        id: 'fleet.Cluster.Leader',
        description: 'The machine that leads the cluster.',
        path: 'leader',
        response: 'Leader',
      }),
      Health: method({
        id: 'fleet.Cluster.Health',
        description: 'Whether this fleetd reaches the store.',
        path: 'health',
        response: 'Health',
      }),
      Version: method({
        id: 'fleet.Cluster.Version',
        description: 'Version and machine of this fleetd.',
        path: 'version',
        response: 'Version',
      }),
    },
  },
};
