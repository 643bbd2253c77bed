export { openProcessPlane } from './process-plane.ts';
