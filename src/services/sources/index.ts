export { ContainerServices, type ContainerServicesOptions } from './containers/index.ts';
export { UnitServices } from './unit-services.ts';
