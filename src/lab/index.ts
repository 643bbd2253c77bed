export { runLab } from './run-lab.ts';
