import { rmSync } from 'node:fs';
import type { ExecPhase } from '../spec/index.ts';
import { shouldRestart } from './decisions.ts';
import { ServiceCore } from './service-core.ts';
import type { ServiceProcesses } from './service-processes.ts';
import type { ServiceResult, UnitState } from './unit-memory.ts';

type SignalState = 'stop-sigterm' | 'stop-sigkill' | 'final-sigterm' | 'final-sigkill';

/** A service's way down: asking it to stop, making it stop, cleaning up, and up again if it is to be restarted. */
export abstract class ServiceDown extends ServiceCore {
  abstract readonly processes: ServiceProcesses;

  /** Runs a command and enters the state that goes with it. */
  protected abstract runCommand(phase: ExecPhase, index: number): void;

  protected enterStop(result: ServiceResult): void {
    this.blame(result);
    if (this.service.exec.ExecStop.length > 0) this.runCommand('ExecStop', 0);
    else this.enterSignal('stop-sigterm', 'success');
  }

  protected enterSignal(state: SignalState, result: ServiceResult): void {
    this.blame(result);
    this.processes.beginSignal();
    const { sendSigkill } = this.service.kill;
    if (this.#kill(state)) this.setState(state, this.service.timeoutStopMs);
    else if (state === 'stop-sigterm' && sendSigkill) this.enterSignal('stop-sigkill', 'success');
    else if (state === 'stop-sigterm' || state === 'stop-sigkill') this.enterStopPost('success');
    else if (state === 'final-sigterm' && sendSigkill) this.enterSignal('final-sigkill', 'success');
    else this.enterDead('success', true);
  }

  #kill(state: UnitState): boolean {
    const { mode, signal, restartSignal, finalSignal } = this.service.kill;
    if (mode === 'none') return false;
    const hard = state.endsWith('sigkill');
    const soft = this.memory.job === 'restart' ? restartSignal : signal;
    const group = mode === 'control-group' || (mode === 'mixed' && hard);
    return this.processes.kill(hard ? finalSignal : soft, { group });
  }

  protected enterStopPost(result: ServiceResult): void {
    this.blame(result);
    if (this.service.exec.ExecStopPost.length > 0) this.runCommand('ExecStopPost', 0);
    else this.enterSignal('final-sigterm', 'success');
  }

  protected enterDead(result: ServiceResult, allowRestart: boolean): void {
    this.blame(result);
    const { memory, service } = this;
    this.note(memory.result === 'success' ? 'Deactivated successfully.' : `Failed with result '${memory.result}'.`);
    const restarts = allowRestart && shouldRestart(service, memory);
    memory.restartsOver = !restarts;
    if (service.pidFile !== undefined) rmSync(service.pidFile, { force: true });
    this.processes.close();
    this.setState(memory.result === 'success' ? 'dead' : 'failed');
    if (restarts) this.setState('auto-restart', service.restartMs);
  }

  protected stoppingTimedOut(state: UnitState): void {
    const { sendSigkill } = this.service.kill;
    if (state === 'stop-post') {
      this.note('stop-post operation timed out. Terminating.');
      this.enterSignal('final-sigterm', 'timeout');
    } else if (state === 'stop-sigkill') {
      this.note('Processes still around after SIGKILL. Ignoring.');
      this.enterStopPost('timeout');
    } else if (state === 'final-sigkill') {
      this.note('Processes still around after final SIGKILL. Entering failed mode.');
      this.enterDead('timeout', false);
    } else {
      this.note(`State '${state}' timed out. ${sendSigkill ? 'Killing.' : 'Skipping SIGKILL.'}`);
      if (state === 'stop-sigterm' && sendSigkill) this.enterSignal('stop-sigkill', 'timeout');
      else if (state === 'stop-sigterm') this.enterStopPost('timeout');
      else if (sendSigkill) this.enterSignal('final-sigkill', 'timeout');
      else this.enterDead('timeout', false);
    }
  }

  protected pollStopping(state: UnitState): void {
    this.#kill(state);
    const { main, control } = this.memory;
    const { mode } = this.service.kill;
    const group = mode === 'control-group' || (mode === 'mixed' && state.endsWith('sigkill'));
    if (main !== null || control !== null || (group && this.processes.members().length > 0)) return;
    if (state.startsWith('stop')) this.enterStopPost('success');
    else this.enterDead('success', true);
  }

  protected restart(): void {
    this.memory.restarts++;
    this.note(`Scheduled restart job, restart counter is at ${this.memory.restarts}.`);
    this.host.restart(this.spec.name);
  }
}
