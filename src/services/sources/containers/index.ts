export { ContainerServices, type ContainerServicesOptions } from './watch.ts';
